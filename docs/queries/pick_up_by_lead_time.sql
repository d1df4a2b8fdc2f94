-- How long before arrival each hotel's bookings are made: bookings, nights and average rate by lead time.
WITH bookings_current AS (
    SELECT * FROM (
        SELECT *, row_number() OVER (
            PARTITION BY id ORDER BY source_updated_at DESC NULLS LAST, raw_received_at DESC NULLS LAST,
            mapping_version DESC NULLS LAST, raw_key DESC NULLS LAST, raw_line DESC NULLS LAST
        ) AS recency FROM bookings
    ) AS versions WHERE recency = 1
),
picked_up AS (
    SELECT hotel_id, currency, length_of_stay, CAST(total_amount AS double) AS total,
        CASE
            WHEN lead_time <= 0 THEN '0: same day'
            WHEN lead_time <= 3 THEN '1: 1 to 3 days'
            WHEN lead_time <= 7 THEN '2: 4 to 7 days'
            WHEN lead_time <= 14 THEN '3: 8 to 14 days'
            WHEN lead_time <= 30 THEN '4: 15 to 30 days'
            WHEN lead_time <= 60 THEN '5: 31 to 60 days'
            ELSE '6: more than 60 days'
        END AS lead_time
    FROM bookings_current
    WHERE status NOT IN ('cancelled', 'no_show') AND lead_time IS NOT NULL
)
SELECT hotel_id, currency, lead_time, count(*) AS bookings, sum(length_of_stay) AS room_nights,
    round(sum(total) / sum(length_of_stay), 2) AS adr
FROM picked_up
GROUP BY hotel_id, currency, lead_time
ORDER BY hotel_id, currency, lead_time

-- Occupancy, ADR and RevPAR of each hotel by month: of all nights that are booked and neither cancelled, pending nor missed.
-- A stay's total is spread evenly over its nights; a room counts for every night of the month.
WITH bookings_current AS (
    SELECT * FROM (
        SELECT *, row_number() OVER (
            PARTITION BY id ORDER BY source_updated_at DESC NULLS LAST, raw_received_at DESC NULLS LAST,
            mapping_version DESC NULLS LAST, raw_key DESC NULLS LAST, raw_line DESC NULLS LAST
        ) AS recency FROM bookings
    ) AS versions WHERE recency = 1
),
rooms_current AS (
    SELECT * FROM (
        SELECT *, row_number() OVER (
            PARTITION BY id ORDER BY source_updated_at DESC NULLS LAST, raw_received_at DESC NULLS LAST,
            mapping_version DESC NULLS LAST, raw_key DESC NULLS LAST, raw_line DESC NULLS LAST
        ) AS recency FROM rooms
    ) AS versions WHERE recency = 1
),
stays AS (
    SELECT hotel_id, currency, check_in_date, check_out_date,
        CAST(total_amount AS double) / length_of_stay AS rate
    FROM bookings_current
    WHERE status IN ('confirmed', 'checked_in', 'checked_out')
),
months AS (
    SELECT month_start, CAST(month_start + INTERVAL '1' MONTH AS date) AS month_end
    FROM (
        SELECT CAST(date_trunc('month', check_in_date) AS date) AS month_start FROM stays
        UNION
        SELECT CAST(date_trunc('month', check_out_date) AS date) AS month_start FROM stays
    ) AS begun
),
nights AS (
    SELECT stays.hotel_id, stays.currency, months.month_start, months.month_end, stays.rate,
        date_diff('day', greatest(stays.check_in_date, months.month_start),
            least(stays.check_out_date, months.month_end)) AS sold
    FROM stays
    JOIN months ON stays.check_in_date < months.month_end AND stays.check_out_date > months.month_start
),
capacity AS (
    SELECT hotel_id, count(*) AS rooms FROM rooms_current GROUP BY hotel_id
)
SELECT nights.hotel_id, nights.month_start AS month, nights.currency,
    sum(nights.sold) AS room_nights,
    round(100.0 * CAST(sum(nights.sold) AS double)
        / (max(capacity.rooms) * date_diff('day', nights.month_start, nights.month_end)), 1) AS occupancy_percent,
    round(sum(nights.sold * nights.rate) / sum(nights.sold), 2) AS adr,
    round(sum(nights.sold * nights.rate)
        / (max(capacity.rooms) * date_diff('day', nights.month_start, nights.month_end)), 2) AS revpar
FROM nights
JOIN capacity ON capacity.hotel_id = nights.hotel_id
GROUP BY nights.hotel_id, nights.month_start, nights.month_end, nights.currency
ORDER BY nights.hotel_id, nights.month_start, nights.currency

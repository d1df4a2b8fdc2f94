-- Where each hotel's bookings come from: share of bookings and of revenue by channel and the vendor's own word for it.
WITH bookings_current AS (
    SELECT * FROM (
        SELECT *, row_number() OVER (
            PARTITION BY id ORDER BY source_updated_at DESC NULLS LAST, raw_received_at DESC NULLS LAST,
            mapping_version DESC NULLS LAST, raw_key DESC NULLS LAST, raw_line DESC NULLS LAST
        ) AS recency FROM bookings
    ) AS versions WHERE recency = 1
),
by_channel AS (
    SELECT hotel_id, channel, source_channel, currency, count(*) AS bookings,
        sum(CASE WHEN status IN ('cancelled', 'no_show') THEN 1 ELSE 0 END) AS lost,
        sum(CASE WHEN status IN ('cancelled', 'no_show') THEN 0 ELSE CAST(total_amount AS double) END) AS revenue
    FROM bookings_current
    GROUP BY hotel_id, channel, source_channel, currency
)
SELECT hotel_id, channel, source_channel, currency, bookings,
    round(100.0 * CAST(bookings AS double) / sum(bookings) OVER (PARTITION BY hotel_id, currency), 1) AS bookings_percent,
    round(100.0 * CAST(lost AS double) / bookings, 1) AS lost_percent,
    round(revenue, 2) AS revenue
FROM by_channel
ORDER BY hotel_id, currency, bookings DESC, channel, source_channel

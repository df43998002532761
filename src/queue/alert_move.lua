-- Puts what is known of an alert in the place of what was known before.
--
-- KEYS 1 open alerts
-- ARGV 1 name  2 before  3 after; an empty text is nothing
-- Reply: 1 when `before` was there, else 0, and nothing is changed: another gateway came first.
local now = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if now ~= ARGV[2] then
  return 0
end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
return 1

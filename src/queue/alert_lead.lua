-- Takes or keeps the right to tell of alerts.
--
-- KEYS 1 sender
-- ARGV 1 gateway  2 milliseconds
-- Reply: 1 when it is this gateway's, else 0.
local sender = redis.call('GET', KEYS[1])
if sender and sender ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1

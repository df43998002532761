-- Takes the oldest order for a supervisor that still counts. Those that do not are dropped: nobody carries them out.
--
-- KEYS 1 orders of the supervisor
-- ARGV none
-- Reply: the order, and for how many milliseconds it counts; nothing when there is none.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
while true do
  local order = redis.call('ZPOPMIN', KEYS[1])
  if #order == 0 then
    return false
  end
  local left = order[2] - now
  if left > 0 then
    return {order[1], left}
  end
end

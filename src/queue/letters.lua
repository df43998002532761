-- Reads dead letters from the oldest on: whole, or without their jobs.
--
-- KEYS 1 dead
-- ARGV 1 how many to pass over  2 the most to return  3 bytes after which no more are read  4 whole | facts
-- Reply: the text and the whole text's length in bytes of each letter in turn.
--
-- Promise: changes nothing. Letters without their jobs cost little to send, however large the jobs are. It reads in
-- steps that grow while letters are small, so that few are read beyond the bytes.
local skip, most, limit, form = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]

-- Within the job no quote stands behind a quote and a comma: there it has a backslash before it.
local function facts(letter)
  local job = letter:find(',"raw', 1, true)
  local rest = job and letter:find('","code":', job, true)
  if rest then return letter:sub(1, job - 1) .. letter:sub(rest + 1) end
  return letter:sub(1, 4096)
end

local reply, read, step = {}, 0, 1
while most > 0 and read < limit do
  step = math.min(step, most)
  local letters = redis.call('LRANGE', KEYS[1], -skip - step, -skip - 1)
  for at = #letters, 1, -1 do
    local letter = letters[at]
    read = read + #letter
    reply[#reply + 1] = form == 'facts' and facts(letter) or letter
    reply[#reply + 1] = #letter
  end
  if #letters < step then break end
  skip, most = skip + step, most - step
  step = read * 8 < limit and math.min(step * 2, 64) or 1
end
return reply

package redis

import (
	"github.com/redis/go-redis/v9"
)

// Each script begins with an epoch, e, and the count of bumps in it, n, of 16 digits: another epoch where those are lost.
// A count begins at the time in microseconds, so that no count of an epoch before comes again, nor a log's number.
const epoch = `
local h = redis.call('HMGET', KEYS[1], 'e', 'n')
local e, n = h[1], h[2]
if not e or not n then
  local t = redis.call('TIME')
  e, n = ARGV[1], string.format('%d%06d', t[1], t[2])
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'e', e, 'n', n)
end
local function versions(tags)
  local all = {}
  for i = 1, #tags, 1000 do
    for _, v in ipairs(redis.call('HMGET', KEYS[1], unpack(tags, i, math.min(i + 999, #tags)))) do all[#all + 1] = v end
  end
  return all
end
local function over(tag)
  local t = redis.call('TIME')
  for ends in string.gmatch(redis.call('HGET', KEYS[1], 'h' .. tag) or '', ' (%d+)') do
    if tonumber(ends) > t[1] * 1000 + math.floor(t[2] / 1000) then return false end
  end
  return true
end
local function trim(most, more)
  if redis.call('HLEN', KEYS[1]) > most then
    for _, t in ipairs(redis.call('HRANDFIELD', KEYS[1], 32 + 2 * more)) do
      if #t == 8 and not redis.call('HGET', KEYS[1], 'h' .. t) then redis.call('HDEL', KEYS[1], t) end
    end
  end
end
`

var (
	// KEYS: state, a claim or nothing, values. ARGV: an epoch, how long the claim is to last in ms, who claims, how many tags there may be, tags. Returns the
	// epoch, the count, whether there is a claim already, the tags' versions, '~!' of one that is held by nobody any more, and for each value the rest of its life in ms
	// and itself, unless a tag of this shard that it depends on has another version by now. The claim is to the first.
	readScript = redis.NewScript(epoch + `
local tags, out = {}, {e, n, 0}
trim(tonumber(ARGV[4]), #ARGV - 4)
for i = 5, #ARGV do
  tags[#tags + 1] = ARGV[i]
  redis.call('HSETNX', KEYS[1], ARGV[i], n)
end
for i, v in ipairs(versions(tags)) do out[#out + 1] = v == '~' and over(tags[i]) and '~!' or v end
for i = 3, #KEYS do
  local v, left = redis.pcall('GET', KEYS[i]), 0
  if type(v) == 'string' and #v > 5 + #e and string.sub(v, 1, 1 + #e) == 'G' .. e then
    local own, at, stamps = {}, 4 + #e, {}
    for j = 1, string.byte(v, 2 + #e) * 256 + string.byte(v, 3 + #e) do
      own[j], stamps[j] = string.sub(v, at, at + 7), string.sub(v, at + 8, at + 23)
      at = at + 24
    end
    for j, now in ipairs(versions(own)) do
      if now ~= stamps[j] then v = false break end
    end
  else
    v = false
  end
  if v then left = redis.call('PTTL', KEYS[i]) end
  if not v and i == 3 and ARGV[2] ~= '0' then
    local claim = redis.call('GET', KEYS[2])
    local free = not claim or string.sub(claim, 17) == ARGV[3]
    for j = 1, #tags do free = free or out[3 + j] > string.sub(claim, 1, 16) end
    if free then redis.call('SET', KEYS[2], n .. ARGV[3], 'PX', ARGV[2]) else out[3] = 1 end
  end
  out[#out + 1] = left
  out[#out + 1] = v
end
return out`)

	// KEYS: state, value, its claim. ARGV: an epoch, the moment's epoch and count, the value's life in ms, its tags of other shards
	// with their stamps and its body, who claims, its tags of this shard. Returns whether it was
	// stored; 2: not, and one of them is held by nobody any more.
	writeScript = redis.NewScript(epoch + `
if string.sub(redis.call('GET', KEYS[3]) or '', 17) == ARGV[6] then redis.call('DEL', KEYS[3]) end
if e ~= ARGV[2] then return 0 end
local tags, count = {}, #ARGV - 6
for i = 7, #ARGV do tags[i - 6] = ARGV[i] end
local now, head = versions(tags), {'G', e, string.char(math.floor(count / 256), count % 256)}
local good, held = true, false
for i = 1, count do
  local v = now[i]
  if not v then
    v = n
    redis.call('HSET', KEYS[1], tags[i], n)
  end
  good = good and v <= ARGV[3]
  held = held or v == '~' and over(tags[i])
  head[#head + 1] = tags[i] .. v
end
if not good then return held and 2 or 0 end
redis.call('SET', KEYS[2], table.concat(head) .. ARGV[5], 'PX', ARGV[4])
return 1`)

	// KEYS: a claim. ARGV: whose.
	releaseScript = redis.NewScript(`
if string.sub(redis.call('GET', KEYS[1]) or '', 17) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`)

	// KEYS: state, log. ARGV: an epoch, who, how long the log may be, how many tags there may be, the tags in a row, and for
	// how many ms they are to be held; 0: they are to be released, as those are whose time is over; -1: neither. A tag that
	// is held has a version that is no count, and greater than all, and beside it who holds it until when. Returns the epoch
	// and the count.
	bumpScript = redis.NewScript(epoch + `
n = string.format('%.0f', redis.call('HINCRBY', KEYS[1], 'n', 1))
local set, hold, now = {}, tonumber(ARGV[6]), 0
if hold >= 0 then
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
for i = 1, #ARGV[5], 8 do
  local tag = string.sub(ARGV[5], i, i + 7)
  local held = redis.call('HGET', KEYS[1], 'h' .. tag) or ''
  if hold >= 0 then
    local rest = hold > 0 and {ARGV[2] .. ' ' .. string.format('%.0f', now + hold)} or {}
    for by, ends in string.gmatch(held, '([^; ]+) (%d+)') do
      if by ~= ARGV[2] and tonumber(ends) > now then rest[#rest + 1] = by .. ' ' .. ends end
    end
    if #rest > 0 then redis.call('HSET', KEYS[1], 'h' .. tag, table.concat(rest, ';'))
    elseif held ~= '' then redis.call('HDEL', KEYS[1], 'h' .. tag) end
    held = rest[1] or ''
  end
  set[#set + 1] = tag
  set[#set + 1] = held == '' and n or '~'
end
for i = 1, #set, 1000 do redis.call('HSET', KEYS[1], unpack(set, i, math.min(i + 999, #set))) end
local function log() return redis.pcall('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], n .. '-0', 'e', e, 'b', ARGV[2], 't', ARGV[5]) end
if type(log()) == 'table' then
  redis.call('DEL', KEYS[2])
  log()
end
trim(tonumber(ARGV[4]), #ARGV[5] / 8)
return {e, n}`)

	// KEYS: state. ARGV: an epoch, the server's run. Begins that epoch if the server is another one than before, or has
	// been started again: what it has may be of some time ago.
	fenceScript = redis.NewScript(`
if redis.call('HGET', KEYS[1], 'r') == ARGV[2] then return 0 end
local t = redis.call('TIME')
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'e', ARGV[1], 'n', string.format('%d%06d', t[1], t[2]), 'r', ARGV[2])
return 1`)

	// KEYS: state. ARGV: an epoch. Returns the epoch and the count, unless the server is another one than before.
	beat = `
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
redis.call('HSET', KEYS[1], 'a', '')
local h = redis.call('HMGET', KEYS[1], 'e', 'n', 'r')
if h[1] and h[2] and h[3] == run then return {h[1], h[2]} end
local t = redis.call('TIME')
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'e', ARGV[1], 'n', string.format('%d%06d', t[1], t[2]), 'r', run)
return {}`

	// KEYS: state. ARGV: an epoch, which begins.
	flushScript = redis.NewScript(`
local t, r = redis.call('TIME'), redis.call('HGET', KEYS[1], 'r')
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'e', ARGV[1], 'n', string.format('%d%06d', t[1], t[2]))
if r then redis.call('HSET', KEYS[1], 'r', r) end
return 1`)
)

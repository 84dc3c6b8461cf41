-- How claims and counters look in bytes.
--
-- Rules of this file:
-- - Numbers are little-endian doubles wherever all of them are below 2^53, as nearly always; else
--   the whole is text. Limits are bytes (`exact.lua`). Neither form loses a digit.
-- - `redis_script.py` writes shapes and packed calls in the same way.

-- A shape is what never changes of a claim: its length, shadow 0 or 1, limit (8 bytes, whole), units,
-- seconds, expires, rolling, key. See `ledger.lua` for what they mean.
local SHAPE = '<HBI8dddd'
local SHAPE_HEAD = 43
local LIMIT_FROM, LIMIT_TO = 3, 10  -- in a shape, from 0
local sub_text = string.sub
local COUNTER = '<Bdddddc8dd'
local COUNTER_SIZE = 65
local MARK = 66
local WORDS = '^' .. string.rep('(%d+) ', 8) .. '(%d+)(.*)$'

-- The claim whose shape begins there, and where the next one does.
local function claim_of_shape(bytes, at)
  local size, shadow, room, units, seconds, expires, rolling = struct.unpack(SHAPE, bytes, at)
  local following = at + size
  return new_claim(
    sub_text(bytes, at + SHAPE_HEAD, following - 1), sub_text(bytes, at + LIMIT_FROM, at + LIMIT_TO),
    room, units, seconds, expires, shadow == 1, rolling, sub_text(bytes, at, following - 1)), following
end

-- Claims as JSON has them, {key, amount, limit, units, seconds, expires, shadow, rolling} each: the
-- list of claims and what each takes, and their number.
local function claims_of_json(told)
  local list, count = {}, #told
  for i = 1, count do
    local it = told[i]
    list[i] = new_claim(
      it[1], bytes_of(read(it[3])), nil, it[4], it[5], read(it[6]), it[7] == 1, it[8], nil)
  end
  for i = 1, count do list[count + i] = read(told[i][2]) end
  return list, count
end

-- What a lease holds is kept as the JSON call that asked for it, or as 'h', the number of claims,
-- their amounts, their shapes.

local held_parts = {}
local function pack_held(list, count, amounts)
  held_parts[1] = struct.pack('<BH', 104, count)
  held_parts[2] = amounts
  for i = 1, count do held_parts[i + 2] = list[i].shape end
  return table.concat(held_parts, '', 1, count + 2)
end

local function claims_of_held(asked)
  if string.byte(asked) ~= 104 then return claims_of_json(cjson.decode(asked)[3]) end
  local list, count, from = {}, struct.unpack('<H', asked, 2)
  local amounts = {struct.unpack('<' .. string.rep('d', count), asked, from)}
  from = from + 8 * count
  for i = 1, count do list[i], from = claim_of_shape(asked, from) end
  for i = 1, count do list[count + i] = amounts[i] end
  return list, count
end

-- The same as JSON can tell it.
local function told_held(asked)
  if string.byte(asked) ~= 104 then return asked end
  local digits = string.gsub(asked, '.', function(c) return string.format('%02x', string.byte(c)) end)
  return '"' .. digits .. '"'
end

local function unpack_counter(packed)
  local counter
  if string.byte(packed) == MARK and #packed >= COUNTER_SIZE then
    local _, used, reserved, at, rest, expires, limit, units, seconds, from =
      struct.unpack(COUNTER, packed)
    counter = {
      used = used, reserved = reserved, at = at, rest = rest, expires = expires, limit = limit,
      units = units, seconds = seconds, rolling = 0, plain = used < SAFE and reserved < SAFE,
    }
    if #packed > COUNTER_SIZE then
      counter.slots = {}
      counter.rolling, from = struct.unpack('<d', packed, from)
      while from < #packed do
        counter.slots[#counter.slots + 1], from = struct.unpack('<d', packed, from)
      end
    end
    return counter
  end
  local used, reserved, at, rest, expires, limit, units, seconds, rolling, slots =
    string.match(packed, WORDS)
  if not used then error('PORTCULLIS a counter is not what this version writes') end
  counter = {
    used = read(used), reserved = read(reserved), at = tonumber(at), rest = tonumber(rest),
    expires = read(expires), limit = bytes_of(read(limit)), units = tonumber(units),
    seconds = tonumber(seconds), rolling = tonumber(rolling), plain = false,
  }
  if counter.rolling > 0 then
    counter.slots = {}
    for word in string.gmatch(slots, '%d+') do counter.slots[#counter.slots + 1] = read(word) end
  end
  return counter
end

local function is_small(counter)
  if counter.plain and not counter.slots then return type(counter.expires) == 'number' end
  local small = type(counter.used) == 'number' and type(counter.reserved) == 'number'
    and type(counter.expires) == 'number'
  if not small or not counter.slots then return small end
  for _, word in ipairs(counter.slots) do
    if type(word) ~= 'number' then return false end
  end
  return true
end

local function pack_counter(counter)
  if is_small(counter) then
    local packed = struct.pack(
      COUNTER, MARK, counter.used, counter.reserved, counter.at, counter.rest, counter.expires,
      counter.limit, counter.units, counter.seconds)
    if not counter.slots then return packed end
    local parts = {packed, struct.pack('<d', counter.rolling)}
    for _, word in ipairs(counter.slots) do parts[#parts + 1] = struct.pack('<d', word) end
    return table.concat(parts)
  end
  local words = {
    text(least(WIDEST, counter.used)), text(least(WIDEST, counter.reserved)), text(counter.at),
    text(counter.rest), text(least(WIDEST, counter.expires)), text(whole(counter.limit)),
    text(counter.units), text(counter.seconds), text(counter.rolling),
  }
  for _, word in ipairs(counter.slots or {}) do words[#words + 1] = text(word) end
  return table.concat(words, ' ')
end

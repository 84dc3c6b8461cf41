-- The arithmetic of buckets and budgets, as `gateway/state/ledger.py` has it, line by line: what
-- each step is for, and why, stands there. Here is no I/O either; `load` is given.

local MICRO = 1000000
local PARTS = 60
local LONG_AGO = 1
local MOST = read('4611686018427387904')  -- 2^62
local WIDEST = read('9223372036854775807')  -- what is written, as in a database of 64 bits

-- A claim is {key, amount, limit, units, seconds, expires, shadow, rolling}: units 0 for a budget, expires
-- in microseconds, -1 for never, shadow 0 or 1, rolling in seconds, -1 for a place that is lent.

local function forgotten(counter, now)
  return counter.expires ~= 0 and not more(counter.expires, now) and sign(counter.reserved) == 0
end

local function level(counter)
  if counter.units > 0 then
    return '[' .. text(ceildiv(counter.used, MICRO)) .. ',0,' .. text(counter.limit) .. ']'
  end
  local used, reserved = least(WIDEST, counter.used), least(WIDEST, counter.reserved)
  return '[' .. text(used) .. ',' .. text(reserved) .. ',' .. text(counter.limit) .. ']'
end

local function refill(counter, now)
  local elapsed = now - counter.at
  counter.at = now
  if elapsed <= 0 or sign(counter.used) == 0 then
    if sign(counter.used) == 0 then counter.rest = 0 end
    return
  end
  local gained, rest = divmod(add(mul(elapsed, counter.units), counter.rest), counter.seconds)
  counter.used, counter.rest = sub(counter.used, gained), rest
  if sign(counter.used) <= 0 then counter.used, counter.rest = 0, 0 end
end

local function time_to_gain(counter, millionths)
  local lacking = sub(mul(millionths, counter.seconds), counter.rest)
  if sign(lacking) <= 0 then return 0 end
  return ceildiv(lacking, counter.units)
end

-- Slots of a rolling budget are a list: number, amount, number, amount ... in order.

local function slot_width(rolling)
  return math.ceil(rolling / PARTS) * MICRO
end

local function slot_at(moment, width)
  return math.floor(moment / width)
end

-- Whether anything has changed.
local function roll(counter, now)
  local slots, width = counter.slots, slot_width(counter.rolling)
  local count = #slots
  if count == 0 then return false end
  local present, oldest = slot_at(now, width), slot_at(now - counter.rolling * MICRO, width)
  if slots[1] >= oldest and slots[count - 1] <= present then return false end
  local kept, used, last = {}, 0, 0
  for i = 1, count, 2 do
    local number, amount = slots[i], slots[i + 1]
    if number >= oldest then
      used = add(used, amount)
      if number >= present then
        last = add(last, amount)
      else
        kept[#kept + 1] = number
        kept[#kept + 1] = amount
      end
    end
  end
  if sign(last) > 0 then
    kept[#kept + 1] = present
    kept[#kept + 1] = last
  end
  counter.used, counter.slots = used, kept
  return true
end

local function put(counter, amount, now)
  if sign(amount) == 0 then return end
  local slots, present = counter.slots, slot_at(now, slot_width(counter.rolling))
  local count = #slots
  if count > 0 and slots[count - 1] == present then
    slots[count] = add(slots[count], amount)
  else
    slots[count + 1], slots[count + 2] = present, amount
  end
end

local function leaves(number, rolling)
  return (number + 1) * slot_width(rolling) + rolling * MICRO
end

local function time_to_leave(counter, amount, now)
  local slots = counter.slots
  if not slots then return 0 end
  for i = 1, #slots, 2 do
    amount = sub(amount, slots[i + 1])
    if sign(amount) <= 0 then return leaves(slots[i], counter.rolling) - now end
  end
  return 0
end

local function change_window(counter, rolling, now)
  counter.rolling, counter.slots = rolling, nil
  if rolling > 0 then
    counter.slots = {}
    put(counter, counter.used, now)
  end
end

local function new_counter(now)
  return {
    used = 0, reserved = 0, at = now, rest = 0, expires = 0, limit = 0, units = 0, seconds = 1,
    rolling = 0,
  }
end

-- The counter of a claim, made or begun anew where need be, refilled, with its new limit.
local function ready(book, claim, now)
  local counter = book.load(claim[1])
  if not counter or forgotten(counter, now) then
    counter = new_counter(now)
    book.counters[claim[1]] = counter
  end
  counter.limit = read(claim[3])
  if claim[4] > 0 then
    if claim[5] ~= counter.seconds then counter.rest = 0 end
    counter.units, counter.seconds = claim[4], claim[5]
    refill(counter, now)
  else
    local rolling = math.max(0, claim[8])
    if rolling ~= counter.rolling then
      change_window(counter, rolling, now)
    elseif rolling > 0 then
      roll(counter, now)
    end
  end
  return counter
end

-- Why a claim does not fit, as JSON, or nil.
local function misfit(counter, claim, index, now)
  local amount, limit = read(claim[2]), counter.limit
  if claim[4] == 0 then
    local spent = add(counter.used, amount)
    if more(spent, limit) then
      return '[' .. index .. ',"spent",' .. text(time_to_leave(counter, sub(spent, limit), now)) .. ']'
    end
    if more(add(spent, counter.reserved), limit) then return '[' .. index .. ',"reserved",1000000]' end
    return nil
  end
  local lacking = add(counter.used, mul(amount - limit, MICRO))
  if sign(lacking) <= 0 then return nil end
  local wait = time_to_gain(counter, least(lacking, counter.used))
  return '[' .. index .. ',"rate","' .. text(wait) .. '"]'
end

local function take(counter, claim)
  if claim[4] == 0 then
    counter.reserved = add(counter.reserved, read(claim[2]))
  else
    counter.used = add(counter.used, mul(claim[2], MICRO))
  end
end

local function untake(counter, claim)
  if claim[4] == 0 then
    counter.reserved = sub(counter.reserved, read(claim[2]))
  else
    counter.used = sub(counter.used, mul(claim[2], MICRO))
  end
end

local function remember(book, counter, claim, now)
  local expires = claim[6]
  if claim[4] > 0 then
    counter.expires = add(add(time_to_gain(counter, counter.used), now), 1)
  elseif claim[8] < 0 then
    counter.expires = LONG_AGO
  elseif counter.slots then
    local count = #counter.slots
    counter.expires = count == 0 and LONG_AGO or leaves(counter.slots[count - 1], counter.rolling)
  elseif expires == -1 then
    counter.expires = 0
  elseif more(read(expires), counter.expires) then
    counter.expires = read(expires)
  end
  book.mark(claim[1])
end

-- The answer as JSON without its serial: refused, levels, refusal, would_refuse.
local function admit(book, claims, now)
  local touched, taken, would, refusal = {}, {}, {}, nil
  for i = 1, #claims do
    local claim = claims[i]
    local counter = ready(book, claim, now)
    touched[i] = counter
    local refused = misfit(counter, claim, i - 1, now)
    if not refused or claim[7] == 1 then
      if refused then would[#would + 1] = refused end
      take(counter, claim)
      taken[#taken + 1] = i
    elseif not refusal then
      refusal = refused
    end
  end
  for _, i in ipairs(taken) do
    if refusal then
      untake(touched[i], claims[i])
    else
      remember(book, touched[i], claims[i], now)
    end
  end
  local levels = {}
  for i = 1, #touched do levels[i] = level(touched[i]) end
  local answer = '[' .. table.concat(levels, ',') .. '],' .. (refusal or 'null')
  return not refusal, answer .. ',[' .. table.concat(would, ',') .. ']'
end

-- Take what was admitted once and was lost since, whatever the limits say now.
local function retake(book, claims, now)
  for i = 1, #claims do
    local counter = ready(book, claims[i], now)
    take(counter, claims[i])
    remember(book, counter, claims[i], now)
  end
end

-- Put `amounts` in the place of what the claims took; nil: what they took. The levels, as JSON.
local function settle(book, claims, amounts, now)
  local levels = {}
  for i = 1, #claims do
    local claim = claims[i]
    local amount = read(amounts and amounts[i] or claim[2])
    local counter = ready(book, claim, now)
    if claim[4] == 0 then
      counter.reserved = positive(sub(counter.reserved, read(claim[2])))
      if claim[8] >= 0 then
        local before = counter.used
        counter.used = least(MOST, add(before, amount))
        if counter.slots then put(counter, sub(counter.used, before), now) end
      end
    else
      local change = mul(sub(amount, claim[2]), MICRO)
      counter.used = least(MOST, positive(add(counter.used, change)))
    end
    remember(book, counter, claim, now)
    levels[i] = level(counter)
  end
  return '[' .. table.concat(levels, ',') .. ']'
end

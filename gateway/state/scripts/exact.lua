-- Whole numbers of any size. Lua 5.1 counts in doubles, which are exact below 2^53 only.
--
-- Rules of this file:
-- - A number is a Lua number while it is below 2^53, else a list of limbs in base 1000, lowest
--   first, all of them in [0, 1000) but the highest, which carries the sign.
-- - Factors and divisors are Lua numbers below 5e12, so that a limb times a factor, and a rest
--   times the base, stay below 2^53. `ledger.check_claims` sees to that.
-- - Everything takes both forms; the common case is one comparison away from plain arithmetic.

local EXACT = 9007199254740992
local BASE = 1000
local TWO_32 = 4294967296
local floor, fmod = math.floor, math.fmod

-- Carry every limb into the next one; small results become Lua numbers again.
local function tidy(limbs)
  local carry, count = 0, #limbs
  for i = 1, count - 1 do
    local value = limbs[i] + carry
    carry = floor(value / BASE)
    limbs[i] = value - carry * BASE
  end
  local top = limbs[count] + carry
  while top >= BASE or top < -BASE do
    carry = floor(top / BASE)
    limbs[count] = top - carry * BASE
    count, top = count + 1, carry
  end
  limbs[count] = top
  while count > 1 and limbs[count] == 0 do
    limbs[count] = nil
    count = count - 1
  end
  if count > 5 then return limbs end
  local value = 0
  for i = count, 1, -1 do value = value * BASE + limbs[i] end
  return value
end

-- A number as limbs of its own, which may be changed.
local function limbs_of(number)
  local limbs = {}
  if type(number) == 'table' then
    for i = 1, #number do limbs[i] = number[i] end
    return limbs
  end
  local count = 1
  while number >= BASE or number < -BASE do
    local rest = floor(number / BASE)
    limbs[count] = number - rest * BASE
    count, number = count + 1, rest
  end
  limbs[count] = number
  return limbs
end

local function read(digits)
  if type(digits) == 'number' then return digits end
  if #digits < 16 then return tonumber(digits) end
  local limbs = {}
  for last = #digits, 1, -3 do
    limbs[#limbs + 1] = tonumber(string.sub(digits, math.max(1, last - 2), last))
  end
  return tidy(limbs)
end

-- Decimal digits of a number that is not negative.
local function text(number)
  if type(number) == 'number' then return string.format('%.0f', number) end
  local count = #number
  local parts = {string.format('%d', number[count])}
  for i = count - 1, 1, -1 do parts[#parts + 1] = string.format('%03d', number[i]) end
  return table.concat(parts)
end

local function combine(a, b, sign)
  local sum, other = limbs_of(a), limbs_of(b)
  for i = 1, math.max(#sum, #other) do sum[i] = (sum[i] or 0) + sign * (other[i] or 0) end
  return tidy(sum)
end

local function add(a, b)
  if type(a) == 'number' and type(b) == 'number' then
    local sum = a + b
    if sum < EXACT and sum > -EXACT then return sum end
  end
  return combine(a, b, 1)
end

local function sub(a, b)
  if type(a) == 'number' and type(b) == 'number' then
    local difference = a - b
    if difference < EXACT and difference > -EXACT then return difference end
  end
  return combine(a, b, -1)
end

local function mul(a, factor)
  if type(a) == 'number' then
    local product = a * factor
    if product < EXACT and product > -EXACT then return product end
  end
  local limbs = limbs_of(a)
  for i = 1, #limbs do limbs[i] = limbs[i] * factor end
  return tidy(limbs)
end

-- Quotient and rest of a number that is not negative.
local function divmod(a, divisor)
  if type(a) == 'number' then
    local rest = fmod(a, divisor)
    return (a - rest) / divisor, rest
  end
  local limbs, rest = limbs_of(a), 0
  for i = #limbs, 1, -1 do
    local value = rest * BASE + limbs[i]
    rest = fmod(value, divisor)
    limbs[i] = (value - rest) / divisor
  end
  return tidy(limbs), rest
end

local function ceildiv(a, divisor)
  local quotient, rest = divmod(a, divisor)
  if rest > 0 then return add(quotient, 1) end
  return quotient
end

local function sign(a)
  if type(a) == 'table' then a = a[#a] end
  return a
end

local function more(a, b)
  if type(a) == 'number' and type(b) == 'number' then return a > b end
  return sign(sub(a, b)) > 0
end

local function least(a, b)
  if more(a, b) then return b end
  return a
end

-- Limits are kept as the 8 bytes of an unsigned number, lowest first: most are looked at only as
-- doubles, and none needs another form for being large.

local function whole(bytes)
  local low, high = struct.unpack('<I4I4', bytes)
  return add(mul(high, TWO_32), low)
end

local function bytes_of(number)
  local high, low = divmod(number, TWO_32)
  return struct.pack('<I4I4', low, high)
end

-- a, or 0 where it is below.
local function positive(a)
  if sign(a) < 0 then return 0 end
  return a
end

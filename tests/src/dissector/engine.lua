-- A Wireshark dissector for MyICQ (LinQ), version 1: datagrams, the TCP tunnel, and direct sessions.
--
-- Made from the protocol's tables by tests/src/dissector; do not change it by hand.
-- docs/wireshark/README.md says how to install and use it.

local udp = Proto("myicq", "MyICQ")
local tunnel = Proto("myicq_tunnel", "MyICQ tunnel")
local peer = Proto("myicq_peer", "MyICQ direct session")

udp.prefs.port = Pref.uint("UDP port", 8000, "The port of the server; datagrams to it are a client's")
tunnel.prefs.port = Pref.uint("TCP port of the tunnel", 0, "Where the server takes datagrams in a stream; 0 for nowhere")

-- What a body is made of -----------------------------------------------------------------------------------------------

local protofields = {}

-- One field for each name and type. Wireshark knows a field by its name alone: where two types share one, all but the first
-- have their bits behind it.
local function field(make, name, bits, ...)
    local fields = protofields[name] or {}
    protofields[name] = fields
    if not fields[bits] then
        fields[bits] = make("myicq.body." .. name .. (next(fields) and bits or ""), name, ...)
    end
    return fields[bits]
end

local INTEGERS = { [1] = ProtoField.uint8, [2] = ProtoField.uint16, [4] = ProtoField.uint32, [8] = ProtoField.uint64 }

local function number(name, len, values)
    return { kind = "number", name = name, len = len, field = field(INTEGERS[len], name, 8 * len, base.DEC, values) }
end

local function ipv4(name) return { kind = "ipv4", name = name, field = field(ProtoField.ipv4, name, "_address") } end
local function text(name) return { kind = "text", name = name, field = field(ProtoField.string, name, "_text") } end
local function bytes(name, len)
    return { kind = "bytes", name = name, len = len, field = field(ProtoField.bytes, name, "_bytes") }
end
local function rest(name) return { kind = "rest", name = name, field = field(ProtoField.bytes, name, "_bytes") } end
local function record(name, parts) return { kind = "record", name = name, parts = parts } end
local function list(name, of) return { kind = "list", name = name, of = of } end
local function optional(part) part.optional = true return part end

local function among(values)
    local set = {}
    for _, value in ipairs(values) do set[value] = true end
    return set
end

local function when(name, values, part) part.only = { name = name, among = among(values), holds = true } return part end
local function unless(name, values, part) part.only = { name = name, among = among(values), holds = false } return part end

-- The tables of the protocol -------------------------------------------------------------------------------------------

-- @tables

-- Fields of the headers ------------------------------------------------------------------------------------------------

local names = {}
for number, command in pairs(COMMANDS) do names[number] = command.name end

local f = {
    from = ProtoField.string("myicq.from", "From"),
    version = ProtoField.uint16("myicq.version", "Version"),
    reserved = ProtoField.uint32("myicq.reserved", "Reserved", base.HEX),
    uin = ProtoField.uint32("myicq.uin", "Uin"),
    sid = ProtoField.uint32("myicq.sid", "Session", base.HEX),
    cmd = ProtoField.uint16("myicq.cmd", "Command", base.HEX, names),
    seq = ProtoField.uint16("myicq.seq", "Number"),
    ackseq = ProtoField.uint16("myicq.ackseq", "Acknowledges"),
    cc = ProtoField.uint16("myicq.cc", "Check code", base.HEX),
    enciphered = ProtoField.bytes("myicq.enciphered", "Enciphered body"),
    request_in = ProtoField.framenum("myicq.request_in", "Answers the request in", base.NONE, frametype.REQUEST),
    response_in = ProtoField.framenum("myicq.response_in", "Answered in", base.NONE, frametype.RESPONSE),
    again = ProtoField.framenum("myicq.retransmission_of", "The same as in", base.NONE, frametype.RETRANS_PREV),
    delay = ProtoField.relative_time("myicq.time", "Time since the request"),
    part = ProtoField.string("myicq.body.text.part", "part"),
}
for bit, name in pairs(CAPABILITIES) do
    f["capability" .. bit] = ProtoField.bool("myicq.capability." .. name:lower(), name, 32, nil, bit)
end

local all = {}
for _, value in pairs(f) do all[#all + 1] = value end
for _, types in pairs(protofields) do
    for _, value in pairs(types) do all[#all + 1] = value end
end
udp.fields = all

local malformed = ProtoExpert.new("myicq.malformed", "The body does not have the form of its command", expert.group.MALFORMED, expert.severity.ERROR)
local unknown = ProtoExpert.new("myicq.unknown", "No command of the protocol has this number", expert.group.UNDECODED, expert.severity.WARN)
local sealed_note = ProtoExpert.new("myicq.undecoded", "Enciphered: myicq decode --file reads it", expert.group.UNDECODED, expert.severity.NOTE)
local resent = ProtoExpert.new("myicq.resent", "Sent again", expert.group.SEQUENCE, expert.severity.NOTE)
udp.experts = { malformed, unknown, sealed_note, resent }

-- Bodies ---------------------------------------------------------------------------------------------------------------

local function is_utf8(bytes)
    local more = 0
    for i = 0, bytes:len() - 1 do
        local byte = bytes:get_index(i)
        if more > 0 then
            if byte < 0x80 or byte > 0xBF then return false end
            more = more - 1
        elseif byte >= 0xF0 and byte < 0xF5 then more = 3
        elseif byte >= 0xE0 and byte < 0xF0 then more = 2
        elseif byte >= 0xC2 and byte < 0xE0 then more = 1
        elseif byte >= 0x80 then return false
        end
    end
    return more == 0
end

-- Words are GB 18030 (of which ASCII is a part) unless they are UTF-8. Wireshark converts them itself: a string of Lua would be cut off at
-- the length that it had before.
local function add_words(tree, field, range)
    local encoding = is_utf8(range:bytes()) and ENC_UTF_8 or ENC_GB18030
    return (tree:add_packet_field(field, range, encoding))
end

-- A text with 0xFF between its fields is shown field by field.
local function add_text(tree, part, whole, bytes)
    local below, start, raw = nil, 0, bytes:bytes()
    for i = 0, bytes:len() do
        if i == bytes:len() or raw:get_index(i) == 0xFF then
            local field = below and f.part or part.field
            local item = i > start and add_words(below or tree, field, bytes:range(start, i - start))
                or (below or tree):add(field, whole, "")
            below, start = below or item, i + 1
        end
    end
end

-- No more than the zeros that fill the last block of an enciphered body.
local function only_padding(range)
    if range:len() >= 8 then return false end
    local bytes = range:bytes()
    for i = 0, bytes:len() - 1 do
        if bytes:get_index(i) ~= 0 then return false end
    end
    return true
end

local function left(body, at) return body:len() - at end

local read_parts

-- Shows one part of a body that begins at `at`, and returns where the next one begins; nil where there are too few bytes.
local function read(tree, part, body, at, seen)
    if part.optional and (left(body, at) == 0 or only_padding(body:range(at, left(body, at)))) then return at end
    if part.kind == "number" then
        if left(body, at) < part.len then return nil end
        local range = body:range(at, part.len)
        tree:add(part.field, range)
        if part.len < 8 then seen[part.name] = range:uint() end
        return at + part.len
    elseif part.kind == "ipv4" then
        if left(body, at) < 4 then return nil end
        tree:add(part.field, body:range(at, 4))
        return at + 4
    elseif part.kind == "bytes" then
        if left(body, at) < part.len then return nil end
        tree:add(part.field, body:range(at, part.len))
        return at + part.len
    elseif part.kind == "text" then
        if left(body, at) < 2 then return nil end
        local len = body:range(at, 2):uint()
        if left(body, at) < 2 + len then return nil end
        local whole = body:range(at, 2 + len)
        if len > 1 then add_text(tree, part, whole, body:range(at + 2, len - 1)) else tree:add(part.field, whole, "") end
        return at + 2 + len
    elseif part.kind == "rest" then
        if left(body, at) > 0 then tree:add(part.field, body:range(at, left(body, at))) end
        return body:len()
    elseif part.kind == "record" then
        local below = tree:add(udp, body:range(at, left(body, at)), part.name)
        local after = read_parts(below, part.parts, body, at, {})
        if after then below:set_len(after - at) end
        return after
    end
    if left(body, at) < 2 then return nil end
    local count, start = body:range(at, 2):uint(), at
    local below = tree:add(udp, body:range(at, left(body, at)), part.name .. ": " .. count)
    at = at + 2
    for _ = 1, count do
        at = read(below, part.of, body, at, {})
        if not at then return nil end
    end
    below:set_len(at - start)
    return at
end

read_parts = function(tree, parts, body, at, seen)
    for _, part in ipairs(parts) do
        local only = part.only
        if not only or (only.among[seen[only.name]] or false) == only.holds then
            at = read(tree, part, body, at, seen)
            if not at then return nil end
        end
    end
    return at
end

-- What is remembered of sessions ---------------------------------------------------------------------------------------

-- Requests, replies and grants by session, client address and number. Wireshark dissects a file once from its beginning
-- and then single frames again: what is here has been seen in the first pass.
local requests, answers, sealed = {}, {}, {}

function udp.init()
    requests, answers, sealed = {}, {}, {}
end

-- Links a datagram to what it answers and to what answers it.
local function link(tree, pinfo, key, answers_key)
    if key then
        local first = requests[key]
        if not first then
            requests[key] = { frame = pinfo.number, time = pinfo.abs_ts }
        elseif first.frame ~= pinfo.number then
            tree:add(f.again, first.frame):set_generated()
            tree:add_proto_expert_info(resent)
        end
        if answers[key] then tree:add(f.response_in, answers[key]):set_generated() end
    end
    local request = answers_key and requests[answers_key]
    if request then
        answers[answers_key] = answers[answers_key] or pinfo.number
        tree:add(f.request_in, request.frame):set_generated()
        tree:add(f.delay, NSTime.new(0) + NSTime(math.floor(pinfo.abs_ts - request.time),
            math.floor((pinfo.abs_ts - request.time) % 1 * 1e9 + 0.5))):set_generated()
    end
end

-- Datagrams ------------------------------------------------------------------------------------------------------------

local HEADER = 20
local NEW_UIN, LOGIN, ACK = 0x0002, 0x0004, 0x0001
local SEALED = 0x04

local function add_capabilities(tree, range)
    local below = tree:add(f.reserved, range)
    for bit in pairs(CAPABILITIES) do
        if range:bitfield(0, 32) % (2 * bit) >= bit then below:add(f["capability" .. bit], range) end
    end
end

local function dissect_datagram(tvb, pinfo, root, from_client)
    local cmd, seq, last = tvb(14, 2):uint(), tvb(16, 2):uint(), tvb(18, 2):uint()
    local session = tostring(from_client and pinfo.src or pinfo.dst) .. " " .. tvb(10, 4):bytes():tohex()
    local command = COMMANDS[cmd]
    local layout = command and (from_client and command.request or not from_client and command.reply) or nil
    local name = command and command.name or string.format("0x%04x", cmd)
    local tree = root:add(udp, tvb(), "MyICQ, " .. (from_client and "client: " or "server: ") .. name)
    tree:add(f.from, from_client and "client" or "server"):set_generated()
    tree:add(f.version, tvb(0, 2))
    if cmd == LOGIN or cmd == NEW_UIN then add_capabilities(tree, tvb(2, 4)) else tree:add(f.reserved, tvb(2, 4)) end
    tree:add(f.uin, tvb(6, 4))
    tree:add(f.sid, tvb(10, 4))
    tree:add(f.cmd, tvb(14, 2))
    tree:add(f.seq, tvb(16, 2))
    tree:add(from_client and f.cc or f.ackseq, tvb(18, 2))
    pinfo.cols.protocol = "MyICQ"
    pinfo.cols.info = (from_client and "C " or "S ") .. name .. " uin=" .. tvb(6, 4):uint() .. " seq=" .. seq
        .. ((not from_client and last ~= 0) and (" ack=" .. last) or "")

    if from_client and cmd == ACK then
        link(tree, pinfo, nil, "S " .. session .. " " .. seq)
    elseif from_client then
        link(tree, pinfo, "C " .. session .. " " .. seq, nil)
    else
        link(tree, pinfo, seq ~= 0 and ("S " .. session .. " " .. seq) or nil, last ~= 0 and ("C " .. session .. " " .. last) or nil)
        local grants = cmd == LOGIN and tvb(2, 4):uint() or 0
        if grants % (2 * SEALED) >= SEALED then sealed[session] = sealed[session] or pinfo.number end
    end
    local len = tvb:len() - HEADER
    if not layout then
        tree:add_proto_expert_info(unknown)
        return
    end
    if len == 0 then return end
    local body = tvb:range(HEADER, len)
    local is_sealed = not from_client and cmd ~= LOGIN and cmd ~= NEW_UIN and sealed[session] and sealed[session] < pinfo.number
    if (from_client and command.enciphered) or is_sealed then
        tree:add(f.enciphered, body):add_proto_expert_info(sealed_note)
        return
    end
    if not read_parts(tree, layout, body, 0, {}) then tree:add_proto_expert_info(malformed) end
end

function udp.dissector(tvb, pinfo, root)
    if tvb:len() < HEADER or tvb(0, 2):uint() ~= 1 then return 0 end
    dissect_datagram(tvb, pinfo, root, pinfo.dst_port == pinfo.match_uint)
    return tvb:len()
end

-- A conversation on another port is taken up at its LOGIN or NEW_UIN: version 1, a session, nothing but known bits in front,
-- and a password that ends where it says.
local function is_opening(tvb)
    if tvb:len() < HEADER + 3 or tvb(0, 2):uint() ~= 1 or tvb(2, 4):uint() > 0xFF or tvb(10, 4):uint() == 0 then return false end
    local cmd, len = tvb(14, 2):uint(), tvb(HEADER, 2):uint()
    local follows = cmd == LOGIN and 12 or cmd == NEW_UIN and 0 or nil
    return follows ~= nil and len > 0 and tvb:len() == HEADER + 2 + len + follows and tvb(HEADER + 1 + len, 1):uint() == 0
end

local elsewhere = Proto("myicq_any_port", "MyICQ on another port")
local servers = {}
function elsewhere.init() servers = {} end

function elsewhere.dissector(tvb, pinfo, root)
    if tvb:len() < HEADER or tvb(0, 2):uint() ~= 1 then return 0 end
    dissect_datagram(tvb, pinfo, root, servers[tostring(pinfo.dst) .. " " .. pinfo.dst_port] or false)
    return tvb:len()
end

local function guess_datagram(tvb, pinfo, root)
    if not is_opening(tvb) then return false end
    servers[tostring(pinfo.dst) .. " " .. pinfo.dst_port] = true
    elsewhere.dissector(tvb, pinfo, root)
    pinfo.conversation = elsewhere
    return true
end
elsewhere:register_heuristic("udp", guess_datagram)

-- Streams --------------------------------------------------------------------------------------------------------------

local function frame_len(tvb, _, offset) return 2 + tvb(offset, 2):uint() end

-- Behind a proxy the stream begins with its CONNECT, or its answer.
local function is_http(tvb)
    local start = tvb:len() >= 4 and tvb(0, 4):string() or ""
    return start == "CONN" or start == "HTTP"
end

function tunnel.dissector(tvb, pinfo, root)
    if is_http(tvb) then return 0 end
    local from_client = pinfo.dst_port == pinfo.match_uint
    dissect_tcp_pdus(tvb, root, 2, frame_len, function(frame, info, tree)
        if frame:len() >= 2 + HEADER and frame(2, 2):uint() == 1 then
            dissect_datagram(frame:range(2):tvb(), info, tree, from_client)
        end
        return frame:len()
    end)
    return tvb:len()
end

local PEER_HEADER = 13
local p = {
    uin = ProtoField.uint32("myicq_peer.uin", "Uin"),
    cmd = ProtoField.uint16("myicq_peer.cmd", "Command", base.HEX),
    face = ProtoField.uint8("myicq_peer.face", "Face"),
    reserved = ProtoField.uint32("myicq_peer.reserved", "Reserved", base.HEX),
}
peer.fields = { p.uin, p.cmd, p.face, p.reserved }

-- The two kinds of direct sessions share numbers. A message is told from a file by its id, which counts down from the highest.
local function peer_packet(cmd, body)
    local is_message = (cmd == 0x1000 and body and body:len() >= 2 and body(0, 2):uint() >= 0xFF00)
        or (cmd == 0x1001 and body and body:len() == 4)
    return (is_message and PEER_MESSAGES or PEER_FILES)[cmd]
end

local function dissect_peer_frame(frame, pinfo, root)
    pinfo.cols.protocol = "MyICQ peer"
    if frame:len() < 2 + PEER_HEADER then return frame:len() end
    local cmd, len = frame(8, 2):uint(), frame:len() - 2 - PEER_HEADER
    local body = len > 0 and frame:range(2 + PEER_HEADER, len) or nil
    local packet = peer_packet(cmd, body)
    local name = packet and packet.name or string.format("0x%04x", cmd)
    local tree = root:add(peer, frame(), "MyICQ direct session: " .. name)
    tree:add(p.reserved, frame(4, 4))
    tree:add(p.cmd, frame(8, 2)):append_text(" (" .. name .. ")")
    tree:add(p.uin, frame(10, 4))
    tree:add(p.face, frame(14, 1))
    pinfo.cols.info = name .. " uin=" .. frame(10, 4):uint()
    if not packet then
        tree:add_proto_expert_info(unknown)
    elseif body and not read_parts(tree, packet.body, body, 0, {}) then
        tree:add_proto_expert_info(malformed)
    end
    return frame:len()
end

function peer.dissector(tvb, pinfo, root)
    dissect_tcp_pdus(tvb, root, 2, frame_len, dissect_peer_frame)
    return tvb:len()
end

-- A direct session is on whatever port its listener has, and begins with a HELLO.
local function guess_peer(tvb, pinfo, root)
    local is_hello = tvb:len() >= 2 + PEER_HEADER + 1 and tvb(2, 2):uint() == 1 and tvb(4, 4):uint() <= 0xFF
        and tvb(8, 2):uint() == 1 and tvb(0, 2):uint() <= 512 and tvb(15, 1):uint() <= 1
    if not is_hello then return false end
    pinfo.conversation = peer
    peer.dissector(tvb, pinfo, root)
    return true
end
peer:register_heuristic("tcp", guess_peer)

-- Ports ----------------------------------------------------------------------------------------------------------------

local at = { udp = nil, tcp = nil }

local function register()
    local ports = DissectorTable.get("udp.port")
    if at.udp then ports:remove(at.udp, udp) end
    at.udp = udp.prefs.port
    if at.udp ~= 0 then ports:add(at.udp, udp) end
    local streams = DissectorTable.get("tcp.port")
    if at.tcp then streams:remove(at.tcp, tunnel) end
    at.tcp = tunnel.prefs.port ~= 0 and tunnel.prefs.port or nil
    if at.tcp then streams:add(at.tcp, tunnel) end
end

udp.prefs_changed = register
tunnel.prefs_changed = register
register()

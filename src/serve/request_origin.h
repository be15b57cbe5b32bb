// Which requests a server on this machine answers: none that a page of another site makes a browser send.
//
// A page whose name the attacker's server resolves to 127.0.0.1 (DNS rebinding) sends its own name as Host; a page that
// posts to this server from elsewhere sends its own Origin.
#pragma once

#include <string_view>

namespace fakequant {

// Whether a name or address that a server listens on is this machine's alone: 127.0.0.1 and its like, ::1, localhost.
bool is_loopback(std::string_view address);

// Whether a Host header, with or without a port, names this machine in such a way.
bool is_local_host(std::string_view host);

// Whether an Origin header is this server itself, as `host` names it.
bool is_same_origin(std::string_view origin, std::string_view host);

}  // namespace fakequant

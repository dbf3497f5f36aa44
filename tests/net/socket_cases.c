/*
 * More tables of socket calls, run against the kernel and against the stack and compared by
 * test_socket_calls.sh: as call_cases.c, about what sockets do besides moving bytes.
 *
 * usage: socket_cases PEER OWN [CASE]     (addresses; PEER runs peer.py, and puppet.py on port 16)
 */
#include "call_cases.h"

int main(int argc, char **argv)
{
    static const struct call_case cases[] = {
        {"options of new sockets", call_sweep_new},
        {"options of a listener", call_sweep_listening},
        {"options of a connection", call_sweep_tcp},
        {"options of connected UDP", call_sweep_udp},
        {"each state", call_state_each},
        {"ports", call_state_ports},
        {"backlog", call_state_backlog},
        {"urgent data", call_state_urgent},
        {"SO_RCVLOWAT", call_state_lowat},
        {"another device, loopback", call_state_loopback},
        {"errors of UDP", call_error_udp},
        {"errors of TCP", call_error_tcp},
        {"MSG_ZEROCOPY", call_error_zerocopy},
        {"control messages in", call_error_cmsg_in},
        {"control messages out", call_error_cmsg_out},
        {"TCP_INFO", call_info_traffic},
        {"TCP_INFO of a server", call_info_server},
        {"TCP_INFO of what waits", call_info_waiting},
        {"SO_MAX_PACING_RATE", call_info_pacing},
        {"signals", call_signals},
        {"wrong addresses", call_wrong_addresses},
        {"times of recvmmsg()", call_wrong_times},
        {"too much corked", call_wrong_cork},
        {"accepted after a reset", call_wrong_accept},
    };
    return call_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
}

/* Signals of sockets: SIGURG, SIGIO and others instead. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "call_cases.h"

static volatile sig_atomic_t came[65];

static void on_signal(int sig)
{
    came[sig]++;
}

/* Has it come, after at most two seconds? */
static int comes(int sig)
{
    for (int ms = 0; ms < 2000 && !came[sig]; ms++)
        usleep(1000);
    return came[sig] > 0;
}

static void catch_signal(int sig)
{
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(sig, &sa, NULL);
    came[sig] = 0;
}

static void urgent(void)
{
    char b[10];
    int s = puppet();
    catch_signal(SIGURG);
    catch_signal(SIGIO);
    puppet_say(s, "o\n"); /* nobody owns it */
    R(wait_for(s, POLLPRI) & POLLPRI);
    R(came[SIGURG]);
    R(recv(s, b, 1, MSG_OOB));
    R(fcntl(s, F_GETOWN));
    R(fcntl(s, F_SETOWN, getpid()));
    R(fcntl(s, F_GETOWN) == getpid());
    puppet_say(s, "s 5 d 20 o\n");
    R(comes(SIGURG));
    R(came[SIGIO]);
    R(recv(s, b, 1, MSG_OOB));
    R(recv(s, b, 10, 0));
    R(fcntl(s, F_SETOWN, 0));
    came[SIGURG] = 0;
    puppet_say(s, "o\n");
    R(wait_for(s, POLLPRI) & POLLPRI);
    usleep(20000);
    R(came[SIGURG]);
    close(s);
}

static void readiness(void)
{
    char b[10];
    int s = puppet(), on = 1, off = 0;
    catch_signal(SIGIO);
    R(fcntl(s, F_SETOWN, getpid()));
    R(fcntl(s, F_SETFL, fcntl(s, F_GETFL) | O_ASYNC));
    R(!!(fcntl(s, F_GETFL) & O_ASYNC));
    puppet_say(s, "s 5\n");
    R(comes(SIGIO));
    R(recv(s, b, 10, MSG_DONTWAIT));
    R(ioctl(s, FIOASYNC, &off));
    came[SIGIO] = 0;
    puppet_say(s, "s 5\n");
    R(recv(s, b, 10, 0));
    usleep(20000);
    R(came[SIGIO]);
    R(ioctl(s, FIOASYNC, &on));
    R(!!(fcntl(s, F_GETFL) & O_ASYNC));
    puppet_say(s, "d 20 c\n");
    R(comes(SIGIO));
    R(recv(s, b, 10, 0));
    close(s);
}

/* A queued signal, with what the descriptor is ready for. */
static void with_info(int s, long band)
{
    sigset_t set;
    siginfo_t info = {0};
    struct timespec long_enough = {5, 0};
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 3);
    int r;
    do {
        r = sigtimedwait(&set, &info, &long_enough);
    } while (r > 0 && info.si_band != band);
    R(r == SIGRTMIN + 3);
    R(info.si_fd == s);
}

static void queued(void)
{
    struct sockaddr_in a = at(peer_ip, 7);
    sigset_t set;
    char b[10];
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 3);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int kind = 0; kind < 2; kind++) {
        int s = kind ? udp() : peer(7);
        R(fcntl(s, F_SETSIG, SIGRTMIN + 3));
        R(fcntl(s, F_GETSIG) == SIGRTMIN + 3);
        R(fcntl(s, F_SETOWN, getpid()));
        R(fcntl(s, F_SETFL, O_ASYNC | O_NONBLOCK));
        R(sendto(s, "abc", 3, 0, (struct sockaddr *)&a, sizeof(a)));
        with_info(s, POLLIN | POLLRDNORM);
        R(recv(s, b, 10, 0));
        close(s);
    }
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

void call_signals(void)
{
    urgent();
    readiness();
    queued();
}

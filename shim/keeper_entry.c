/*
 * libshim.so as a program: the housekeeper (src/io/keeper_run.c), or, run by hand, a word about
 * itself.
 *
 * A shared object that has an interpreter and an entry point can be executed. The dynamic linker
 * loads its libraries, relocates it, and jumps to the entry; libc is ready then, but nobody has run
 * our constructor, and nobody waits for a return.
 */
#include <stdio.h>
#include <stdlib.h>

#include "config.h"

#include "io/keeper_int.h"
#include "shim.h"

#ifdef KEEPER_INTERP
__attribute__((section(".interp"), used)) static const char interp[] = KEEPER_INTERP;
#endif

__attribute__((visibility("hidden"), noreturn, used)) void shim_main(void);
__attribute__((visibility("hidden"))) void shim_entry(void);

/* The stack holds the arguments, and no place to return to. */
#if defined(__x86_64__)
__asm__(".text\n"
        ".hidden shim_entry\n"
        ".globl shim_entry\n"
        ".type shim_entry, @function\n"
        "shim_entry:\n"
        "    xor %ebp, %ebp\n"
        "    and $-16, %rsp\n"
        "    call shim_main\n"
        "    hlt\n"
        ".size shim_entry, . - shim_entry\n");
#elif defined(__aarch64__)
__asm__(".text\n"
        ".hidden shim_entry\n"
        ".globl shim_entry\n"
        ".type shim_entry, %function\n"
        "shim_entry:\n"
        "    mov x29, #0\n"
        "    mov x30, #0\n"
        "    bl shim_main\n"
        ".size shim_entry, . - shim_entry\n");
#endif

void shim_main(void)
{
    const char *fds = getenv(KEEPER_VARIABLE);
    int status = 0;

    shim_init();
    shim_in();
    if (fds) {
        status = keeper_main(fds);
    } else {
        puts("libshim " PACKAGE_VERSION "\n"
             "usage: LD_PRELOAD=libshim.so PROGRAM [ARGUMENT ...]\n"
             "See libshim(7).");
        status = fflush(stdout) == 0 ? 0 : 1;
    }
    real._exit(status);
    __builtin_unreachable();
}

/*
 * dlopen(): a library that is opened with RTLD_DEEPBIND (PHP's extensions are) looks for its
 * symbols in its own dependencies first, that is, in libc, and its socket calls would not come by
 * us. So the flag is not heard.
 *
 * libc looks at who calls dlopen(): a library's own RUNPATH, its $ORIGIN and its namespace hold for
 * what it opens. So the entry jumps on instead of calling, as syscall()'s does.
 */
#include <dlfcn.h>
#include <stdint.h>

#include "shim.h"

/* Libc's, also before real_init(). */
__attribute__((visibility("hidden"))) void *shim_dlopen_next(void);
void *shim_dlopen_next(void)
{
    if (!real.dlopen)
        shim_init();
    return (void *)(uintptr_t)real.dlopen;
}

#ifdef __x86_64__
_Static_assert(RTLD_DEEPBIND == 8, "as below");
__asm__(".text\n\t"
        ".globl dlopen\n\t"
        ".type dlopen, @function\n"
        "dlopen:\n\t"
        ".cfi_startproc\n\t"
        "andl $~8, %esi\n\t"
        "pushq %rdi\n\tpushq %rsi\n\t"
        "subq $8, %rsp\n\t" /* aligned for the call */
        ".cfi_def_cfa_offset 32\n\t"
        "call shim_dlopen_next\n\t"
        "addq $8, %rsp\n\t"
        "popq %rsi\n\tpopq %rdi\n\t"
        ".cfi_def_cfa_offset 8\n\t"
        "jmp *%rax\n\t"
        ".cfi_endproc\n\t"
        ".size dlopen, . - dlopen");
#else
/* Here we are the caller, unless the compiler makes a jump of it. */
SHIM_EXPORT void *dlopen(const char *file, int mode)
{
    return ((__typeof__(real.dlopen))shim_dlopen_next())(file, mode & ~RTLD_DEEPBIND);
}
#endif

/*
 * Starts the address sanitizer before anything else in a program that was built without it
 * (LD_PRELOAD: its runtime, this library, libshim.so).
 *
 * Otherwise it starts at the first call that it intercepts, which may come from the constructor of
 * any library, with locks of libc held: newlocale() allocates under libc's lock for locales, and
 * the start looks up symbols, which takes and leaves the same lock once more; after that every
 * setlocale() hangs (curl, by p11-kit). Or a call of its own start reaches libshim.so, which then
 * reads its environment with functions that the sanitizer intercepts and does not allow yet.
 *
 * This library is linked with -z initfirst: its constructor runs before those of all others, libc's
 * among them.
 */
void __asan_init(void); /* NOLINT(bugprone-reserved-identifier): the sanitizer's */

__attribute__((constructor)) static void first(void)
{
    __asan_init();
}

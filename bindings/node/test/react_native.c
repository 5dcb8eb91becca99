/* SPDX-License-Identifier: MIT
 *
 * react_native.c - react-native-node-api as an addon sees it, inside Node.js: linked into an addon,
 * it defines the functions of react_native.def, which go on to those of Node.js, and no other.
 *
 * As there: there is no version of Node.js, and the functions that are missing can be found by name
 * but end the process when called. The linker's --wrap=dlsym brings the look-ups here.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A function that goes to where its slot points, whatever its parameters are. */
#if defined(__x86_64__)
#define GO(name) "jmp *slot_" #name "(%rip)\n"
#elif defined(__aarch64__)
#define GO(name) "adrp x16, slot_" #name "\nldr x16, [x16, :lo12:slot_" #name "]\nbr x16\n"
#endif
#define HOST(name)                                                                                 \
    __attribute__((visibility("hidden"), used)) void *slot_##name;                                 \
    __asm__(".text\n.globl " #name "\n.type " #name ", %function\n" #name ":\n" GO(name));
#include "react_native.def"
#undef HOST

void *__real_dlsym(void *library, const char *name);
void *__wrap_dlsym(void *library, const char *name);

static int has_no_version(void *env, const void **out)
{
    enum { generic_failure = 9 };
    (void)env;
    *out = NULL;
    return generic_failure;
}

static void end_process(void)
{
    fprintf(stderr, "react_native.c: a function of Node-API was called that the host lacks\n");
    abort();
}

static void *pointer_of(const void *function)
{
    void *pointer;
    memcpy(&pointer, function, sizeof pointer);
    return pointer;
}

__attribute__((constructor)) static void fill_slots(void)
{
    int (*version)(void *, const void **) = has_no_version;
#define HOST(name) slot_##name = __real_dlsym(RTLD_DEFAULT, #name);
#include "react_native.def"
#undef HOST
    slot_napi_get_node_version = pointer_of(&version);
}

void *__wrap_dlsym(void *library, const char *name)
{
    void (*missing)(void) = end_process;
#define HOST(given)                                                                                \
    if (strcmp(name, #given) == 0)                                                                 \
        return slot_##given;
#include "react_native.def"
#undef HOST
    return strncmp(name, "napi_", 5) == 0 ? pointer_of(&missing) : __real_dlsym(library, name);
}

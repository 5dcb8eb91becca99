/* SPDX-License-Identifier: MIT
 *
 * hearth.h - the whole public API of libhearth.
 *
 * A model is opened (model.h), a session runs it (session.h), a sampler chooses tokens (sampler.h),
 * a generation ties them into a stream of text (generate.h), an engine serves many at once
 * (engine.h), and a chat answers conversations with tools (answer.h). The library keeps no global
 * state that a caller can see, never prints, never ends the process and reports every failure
 * (status.h).
 */
#ifndef HEARTH_HEARTH_H
#define HEARTH_HEARTH_H

#include <hearth/status.h>
#include <hearth/log.h>
#include <hearth/model.h>
#include <hearth/session.h>
#include <hearth/grammar.h>
#include <hearth/sampler.h>
#include <hearth/generate.h>
#include <hearth/engine.h>
#include <hearth/quantize.h>
#include <hearth/machine.h>
#include <hearth/chat.h>
#include <hearth/tools.h>
#include <hearth/answer.h>

#define HEARTH_VERSION "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that is linked: HEARTH_VERSION of its build. */
HEARTH_API const char *hearth_version(void);

#ifdef __cplusplus
}
#endif
#endif

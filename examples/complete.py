# SPDX-License-Identifier: MIT
# Goes on with a text from Python, through libhearth.so and ctypes alone.
#   python3 complete.py MODEL.gguf "Once upon a time" [MAX_TOKENS]
import sys
from ctypes import CDLL, POINTER, Structure, byref, c_char_p, c_double, c_int, c_int32, c_size_t, c_uint32, c_void_p, c_char, string_at


class Error(Structure):
    _fields_ = [("code", c_int), ("sys_errno", c_int), ("where", c_char * 64), ("message", c_char * 448)]


class Event(Structure):
    _fields_ = [("type", c_int), ("text", c_void_p), ("n_text", c_size_t), ("token", c_int32), ("reason", c_int),
                ("stop_word", c_char_p), ("n_prompt", c_size_t), ("n_prompt_done", c_size_t),
                ("n_generated", c_size_t), ("prompt_ms", c_double), ("generate_ms", c_double)]


hearth, error = CDLL("libhearth.so.0"), Error()


def call(name, *arguments):
    if getattr(hearth, name)(*arguments, byref(error)) != 0:
        sys.exit(error.message.decode())


path, prompt = (argument.encode() for argument in sys.argv[1:3])
limit = int(sys.argv[3]) if len(sys.argv) > 3 else 64
model, session, sampler, generation = (c_void_p() for _ in range(4))
tokens, n_tokens, event = POINTER(c_int32)(), c_size_t(), Event()
call("hearth_model_open", byref(model), path, None)
call("hearth_session_open", byref(session), model, None)
call("hearth_sampler_new", byref(sampler), model, c_uint32(hearth.hearth_session_n_ctx(session)), None)
call("hearth_tokenize", model, prompt, c_size_t(len(prompt)), 1, byref(tokens), byref(n_tokens))
call("hearth_generation_new", byref(generation), session, sampler, tokens, n_tokens, None)
while event.type != 2 and event.n_generated < limit:
    call("hearth_generation_next", generation, byref(event))
    sys.stdout.write(string_at(event.text, event.n_text).decode() if event.type == 1 else "")
    sys.stdout.flush()
print()
hearth.hearth_free(tokens)
hearth.hearth_generation_free(generation)
hearth.hearth_sampler_free(sampler)
hearth.hearth_session_close(session)
hearth.hearth_model_close(model)

# Chats over every dialect: one model, one question, the same answer; templates, thoughts and their budget,
# formats of the answer, tools, counts, infill, and errors in the dialect's own envelope.
. "$SOURCE/tests/e2e/check.sh"
. "$SOURCE/tests/e2e/engine.sh"
command -v curl >/dev/null && command -v node >/dev/null || skip "needs curl and node"

# events EXPRESSION: over the streamed body; d: the data of its events, without [DONE].
events() {
    node -e 'const d = require("fs").readFileSync(0, "utf8").split("\n").filter(s => s.startsWith("data: {"))
        .map(s => JSON.parse(s.slice(6))); const v = eval(process.argv[1]);
        console.log(typeof v === "string" ? v : JSON.stringify(v))' "$1" <"$work/body"
}

asked='"messages":[{"role":"user","content":"What is Hearth?"}],"temperature":0'
question="$asked,\"max_tokens\":60"
start_engine -m ember --port 0 || finish

# ---- one answer, six ways ----
post /v1/chat/completions "{$question}"
expect_status 200
answer=$(json 'b.choices[0].message.content')
expect_in '^Hearth' "$answer"
expect_equal "$(json 'b.choices[0].finish_reason')" stop
expect_equal "$(json 'b.usage.total_tokens === b.usage.prompt_tokens + b.usage.completion_tokens')" true
post /v1/chat/completions "{$question,\"stream\":true,\"stream_options\":{\"include_usage\":true}}" -N
expect_equal "$(events 'd.map(e => e.choices[0]?.delta.content ?? "").join("")')" "$answer"
expect_equal "$(events 'd.at(-1).usage.completion_tokens > 3')" true
expect_equal "$(tail -c 16 "$work/body" | tr -d '\n')" 'data: [DONE]'
post /v1/messages "{$question}"
expect_equal "$(json 'b.content[0].text')" "$answer"
expect_equal "$(json 'b.stop_reason')" end_turn
post /v1/messages "{$question,\"stream\":true}" -N
expect_equal "$(events 'd.filter(e => e.type === "content_block_delta").map(e => e.delta.text).join("")')" "$answer"
expect_equal "$(events 'd.at(-1).type')" message_stop
post /v1/responses '{"input":"What is Hearth?","temperature":0,"max_output_tokens":60}'
expect_equal "$(json 'b.output[0].content[0].text')" "$answer"
post /v1/responses '{"input":"What is Hearth?","temperature":0,"max_output_tokens":60,"stream":true}' -N
expect_equal "$(events 'd.filter(e => e.type === "response.output_text.delta").map(e => e.delta).join("")')" "$answer"

# ---- the prompt ----
post /apply-template "{$question}"
prompt=$(json 'b.prompt')
expect_in 'What is Hearth' "$prompt"
post /v1/messages/count_tokens "{\"model\":\"x\",\"messages\":[{\"role\":\"user\",\"content\":\"What is Hearth?\"}]}"
count=$(json 'b.input_tokens')
post /v1/chat/completions/input_tokens "{$question}"
expect_equal "$(json 'b.input_tokens')" "$count"
post /v1/chat/completions "{$asked,\"max_tokens\":1}"
expect_equal "$(json 'b.usage.prompt_tokens')" "$count"
post /apply-template '{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello, I"}]}'
expect_in 'Hello, I$' "$(json 'b.prompt')"
post /v1/chat/completions '{"messages":[{"role":"user","content":"What is Hearth?"},{"role":"assistant","content":"Hearth"}],"temperature":0,"max_tokens":4}'
expect_status 200

# ---- what an answer must look like ----
schema='{"type":"object","properties":{"n":{"type":"integer"},"s":{"enum":["a","b"]}},"required":["n","s"],"additionalProperties":false}'
post /v1/chat/completions "{$question,\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\",\"schema\":$schema}}}"
expect_equal "$(json 'typeof JSON.parse(b.choices[0].message.content).n')" number
post /v1/chat/completions "{$question,\"response_format\":{\"type\":\"json_object\"},\"seed\":3}"
expect_in '^[[:space:]]*\{' "$(json 'b.choices[0].message.content')"

# ---- tools and a form: calls or the form, nothing else ----
tools='"parallel_tool_calls":false,"tools":[{"type":"function","function":{"name":"look_up","parameters":{"type":"object","properties":{"word":{"enum":["x","y"]}},"required":["word"],"additionalProperties":false}}}]'
form="\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\",\"schema\":$schema}}"
# What the first choice is: "call", "form", or a complaint.
kind_of='(m => { const is = (v, keys) => Object.keys(v).join() === keys;
    if (m.tool_calls) return m.content === null && m.tool_calls.every(c => is(JSON.parse(c.function.arguments), "word")) ? "call" : m;
    return is(JSON.parse(m.content), "n,s") ? "form" : m })'
bias() { echo "\"logit_bias\":[[\"<\",$1],[\" <\",$1],[\"\n\",$1]]"; }
for wanted in "call 9" "form -99"; do
    post /v1/chat/completions "{$asked,\"max_tokens\":120,$tools,$form,$(bias ${wanted#* })}"
    expect_equal "$(json "$kind_of(b.choices[0].message)")" "${wanted% *}"
    expect_equal "$(json 'b.choices[0].finish_reason')" "$([ "${wanted% *}" = call ] && echo tool_calls || echo stop)"
    post /v1/chat/completions "{$asked,\"max_tokens\":120,$tools,$form,$(bias ${wanted#* }),\"stream\":true}" -N
    expect_equal "$(events "d.some(e => e.choices[0]?.delta.tool_calls) ? 'call' : 'form'")" "${wanted% *}"
done
post /v1/chat/completions "{$asked,\"max_tokens\":120,$tools,$form,\"tool_choice\":\"required\"}"
expect_equal "$(json "$kind_of(b.choices[0].message)")" call
post /v1/chat/completions "{$asked,\"max_tokens\":120,$tools,$form,\"tool_choice\":\"none\"}"
expect_equal "$(json "$kind_of(b.choices[0].message)")" form
post /v1/chat/completions "{$asked,\"max_tokens\":120,$tools,\"grammar\":\"root ::= \\\"calls\\\"\",$(bias -99)}"
expect_equal "$(json 'b.choices[0].message.content')" calls

# Control tokens are written out for the parser of calls; the one that ends the answer, where another call might
# have followed, is no content.
post /tokenize '{"content":"<|endoftext|>","parse_special":true}'
end=$(json 'b.tokens.length === 1 && b.tokens[0]')
post /v1/chat/completions "{$asked,\"max_tokens\":120,${tools#*,},\"tool_choice\":\"required\",\"logit_bias\":[[$end,1000]]}"
expect_equal "$(json "$kind_of(b.choices[0].message)")" call

post /completion '{"prompt":"Yes or no?","grammar":"root ::= \"yes\" | \"no\"","response_fields":["content"]}'
expect_in '^(yes|no)$' "$(json 'b.content')"
post /completion '{"prompt":"a","grammar":"root ::= ("}'
expect_status 400
post /v1/chat/completions "{$question,\"stop\":[\"models\"]}"
expect_equal "$(json 'b.choices[0].message.content.includes("models")')" false
drawn='{"messages":[{"role":"user","content":"What is Hearth?"}],"n":2,"temperature":1.5,"seed":1,"max_tokens":60}'
post /v1/chat/completions "$drawn"
first=$(json 'b.choices.map(c => c.message.content)')
expect_equal "$(json 'b.choices[0].message.content !== b.choices[1].message.content')" true
post /v1/chat/completions "$drawn"
expect_equal "$(json 'b.choices.map(c => c.message.content)')" "$first"
post /v1/chat/completions "{$asked,\"logprobs\":true,\"top_logprobs\":3,\"max_tokens\":4}"
expect_equal "$(json 'b.choices[0].logprobs.content.map(t => t.top_logprobs.length)')" '[3,3,3,3]'
probs=$(json 'b.choices[0].logprobs.content')
post /v1/responses '{"input":"What is Hearth?","temperature":0,"max_output_tokens":4,"include":["message.output_text.logprobs"],"top_logprobs":3}'
expect_equal "$(json 'b.output[0].content[0].logprobs')" "$probs"
post /v1/responses '{"input":"What is Hearth?","temperature":0,"max_output_tokens":4,"include":["message.output_text.logprobs"],"top_logprobs":3,"stream":true}' -N
expect_equal "$(events 'd.filter(e => e.type === "response.output_text.delta").flatMap(e => e.logprobs)')" "$probs"
expect_equal "$(events 'd.at(-1).response.output[0].content[0].logprobs')" "$probs"
post /v1/chat/completions "{$asked,\"logit_bias\":{\"1\":-100},\"max_tokens\":3}"
expect_status 200

# ---- what is wrong is told by the client's own path ----
# refused PATH BODY PARAM WORDS
refused() {
    post "$1" "$2"
    expect_status 400
    local told # by OpenAI's envelope twice
    told=$(json '(b.error.param ?? b.error.message.split(": ")[0]) + " " + b.error.message')
    expect_equal "${told%% *}" "$3"
    expect_in "$4" "$told"
}
chat=/v1/chat/completions
refused $chat '{"messages":[{"role":"bogus","content":"a"}]}' 'messages[0].role' 'is no role'
refused $chat "{$question,\"response_format\":{\"type\":\"json_schema\"}}" response_format.json_schema 'is missing'
refused $chat "{$question,\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{\"uniqueItems\":true}}}}" \
    response_format.json_schema.schema/uniqueItems 'can be enforced where'
refused $chat "{$question,\"response_format\":{\"type\":\"regex\",\"pattern\":\"a(?=b)\"}}" response_format.pattern look-around
refused $chat "{$question,\"grammar\":\"root ::= x\"}" grammar 'line 1, column 10'
refused $chat "{$question,\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"string\"}}}]}" \
    'tools[0].function.parameters.type' 'must be object'
refused /v1/messages "{$question,\"tools\":[{\"name\":\"f\",\"input_schema\":{\"not\":{}}}]}" 'tools[0].input_schema/not' 'cannot be enforced'
refused $chat '{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{"}}]}]}' \
    'messages[0].tool_calls[0].function.arguments' 'must be a JSON object'
refused /v1/completions '{"prompt":["a",""]}' 'prompt[1]' 'is empty'
refused /v1/completions '{"prompt":"a","suffix":[]}' suffix 'is empty'
refused /v1/embeddings '{"input":""}' input 'is empty'
refused /detokenize '{"tokens":[1,99999999]}' 'tokens[1]' 'is no token'

# ---- expressions, and arguments that no schema holds ----
for regex in '"response_format":{"type":"regex","pattern":"(yes|no)!"}' '"regex":"(yes|no)!"' '"guided_regex":"(yes|no)!"'; do
    post $chat "{$question,$regex}"
    expect_in '^(yes|no)!$' "$(json 'b.choices[0].message.content')"
    post /completion "{\"prompt\":\"a\",$regex}"
    expect_in '^(yes|no)!$' "$(json 'b.content')"
done
for parameters in '' ',"parameters":{}' ',"parameters":{"properties":{"a":{"enum":["x"]}},"required":["a"]}'; do
    post $chat "{$asked,\"max_tokens\":300,\"tool_choice\":\"required\",\"parallel_tool_calls\":false,\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"ping\"$parameters}}]}"
    expect_status 200
    expect_equal "$(json 'b.choices[0].message.tool_calls[0].function.arguments[0]')" '{' # it may be cut
    expect_equal "$(json 'b.choices[0].message.content')" null
done

# ---- errors, each in its own envelope ----
post /v1/chat/completions '{"messages":[]}'
expect_status 400
expect_equal "$(json 'b.error.type')" invalid_request_error
post /v1/messages '{"messages":[{"role":"user","content":1}],"max_tokens":3}'
expect_status 400
expect_equal "$(json 'b.type + " " + b.error.type')" 'error invalid_request_error'
many=$(printf 'word %.0s' {1..3000})
post /v1/messages "{\"max_tokens\":4,\"messages\":[{\"role\":\"user\",\"content\":\"$many\"}]}"
expect_status 400
expect_body 'prompt is too long: [0-9]+ tokens > 2048 maximum'
post /v1/chat/completions "{\"messages\":[{\"role\":\"user\",\"content\":\"$many\"}]}"
expect_status 400
expect_body 'exceeds the available context size'
post /infill '{"input_prefix":"a","input_suffix":"b"}'
expect_status 501
post /v1/chat/completions/control '{"id":"chatcmpl-none","action":"reasoning_end"}'
expect_equal "$(json 'b.success')" false

# ---- a context that was shifted says so, in every dialect ----
start_engine -m ember --port 0 -c 64 || finish
shifted="$asked,\"max_tokens\":150,\"ignore_eos\":true,\"context_shift\":true"
post /v1/chat/completions "{$shifted}"
shifts=$(json 'b.timings.context_shift')
expect_equal "$(json 'b.timings.context_shift.n_shifts > 1 && b.usage.total_tokens - b.timings.context_shift.n_discarded <= 64')" true
post /v1/chat/completions "{$shifted,\"stream\":true}" -N
expect_equal "$(events 'd.at(-1).timings.context_shift')" "$shifts"
post /v1/chat/completions "{$shifted,\"stream\":true,\"stream_options\":{\"include_usage\":true}}" -N
expect_equal "$(events 'd.at(-1).timings.context_shift')" "$shifts"
post /v1/messages "{$shifted}"
expect_equal "$(json 'b.usage.context_shift')" "$shifts"
post /v1/messages "{$shifted,\"stream\":true}" -N
expect_equal "$(events 'd.at(-2).usage.context_shift')" "$shifts"
shifted='"input":"What is Hearth?","temperature":0,"max_output_tokens":150,"ignore_eos":true,"context_shift":true'
post /v1/responses "{$shifted}"
expect_equal "$(json 'b.usage.context_shift')" "$shifts"
post /v1/responses "{$shifted,\"stream\":true}" -N
expect_equal "$(events 'd.at(-1).response.usage.context_shift')" "$shifts"
post /v1/chat/completions "{$asked,\"max_tokens\":4}"
expect_equal "$(json 'b.timings.context_shift ?? null')" null

# ---- thoughts: a template that opens them ----
cat >"$work/think.jinja" <<'END'
{%- for m in messages -%}
{{- '<|im_start|>' + m.role + '\n' -}}
{%- if m.reasoning_content -%}{{- '<think>\n' + m.reasoning_content + '\n</think>\n\n' -}}{%- endif -%}
{{- m.content + '<|im_end|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}
{%- if enable_thinking is defined and not enable_thinking -%}{{- '<think>\n\n</think>\n\n' -}}
{%- else -%}{{- '<think>\n' -}}{%- endif -%}{%- endif -%}
END
start_engine -m ember --port 0 --chat-template-file "$work/think.jinja" --reasoning-budget 5 || finish
post /v1/chat/completions "{$question}"
expect_equal "$(json 'b.choices[0].message.reasoning_content.length > 5')" true
expect_equal "$(json 'b.choices[0].message.content.length > 5')" true
expect_equal "$(json 'b.usage.completion_tokens_details.reasoning_tokens')" 5
post /v1/chat/completions "{$question,\"reasoning_budget_tokens\":3,\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\",\"schema\":$schema}}}"
expect_equal "$(json 'b.usage.completion_tokens_details.reasoning_tokens')" 3
expect_equal "$(json 'typeof JSON.parse(b.choices[0].message.content).n')" number
post /v1/chat/completions "{$asked,\"max_tokens\":120,\"reasoning_budget_tokens\":3,$tools,$form}"
expect_equal "$(json 'b.usage.completion_tokens_details.reasoning_tokens')" 3
expect_in '^(call|form)$' "$(json "$kind_of(b.choices[0].message)")"
post /v1/chat/completions "{$question,\"reasoning_format\":\"none\"}"
expect_equal "$(json '"reasoning_content" in b.choices[0].message')" false
post /apply-template "{$question,\"chat_template_kwargs\":{\"enable_thinking\":false}}"
expect_in '</think>' "$(json 'b.prompt')"
post /v1/messages "{$question}"
expect_equal "$(json 'b.content.map(c => c.type)')" '["thinking","text"]'

# ---- thoughts are off where they shall be, also where the template does not ask ----
sed 's/enable_thinking is defined and not enable_thinking/false/' "$work/think.jinja" >"$work/always.jinja"
start_engine -m ember --port 0 --chat-template-file "$work/always.jinja" || finish
post /v1/chat/completions "{$question}"
expect_equal "$(json 'b.choices[0].message.reasoning_content.length > 5')" true
for off in '"chat_template_kwargs":{"enable_thinking":false}' '"enable_thinking":false' '"reasoning_effort":"none"' \
    '"reasoning_budget_tokens":0'; do
    post /v1/chat/completions "{$question,$off}"
    expect_equal "$(json '"reasoning_content" in b.choices[0].message || b.choices[0].message.content.length < 5')" false
    expect_equal "$(json 'b.usage.completion_tokens_details.reasoning_tokens')" 0
    n_prompt=$(json 'b.usage.prompt_tokens')
    post /v1/chat/completions/input_tokens "{$asked,$off}"
    expect_equal "$(json 'b.input_tokens')" "$n_prompt"
done
post /v1/messages "{$question,\"thinking\":{\"type\":\"disabled\"}}"
expect_equal "$(json 'b.content.map(c => c.type)')" '["text"]'
post /v1/responses '{"input":"What is Hearth?","temperature":0,"max_output_tokens":60,"reasoning":{"effort":"none"}}'
expect_equal "$(json 'b.output.map(o => o.type)')" '["message"]'
start_engine -m ember --port 0 --chat-template-file "$work/always.jinja" -rea off || finish
post /v1/chat/completions "{$question}"
expect_equal "$(json '"reasoning_content" in b.choices[0].message')" false
for on in '"enable_thinking":true' '"chat_template_kwargs":{"enable_thinking":true}' '"reasoning_effort":"high"'; do
    post /v1/chat/completions "{$question,$on}"
    expect_equal "$(json 'b.choices[0].message.reasoning_content.length > 5')" true
done

# ---- a model without thoughts cannot be asked for them; what programs send unasked is ignored, and said so ----
start_engine -m ember --port 0 -rea on || finish
expect_in '^warning: --reasoning has no effect: .* knows no thoughts' "$(cat "$work/engine.err")"
for on in 'enable_thinking":true' 'chat_template_kwargs":{"enable_thinking":true}'; do
    post /v1/chat/completions "{$question,\"$on}"
    expect_status 400
    expect_body 'enable_thinking: the chat template of this model knows no thoughts'
done
ignored() { expect_status 200 && expect_in "^x-hearth-ignored: $1" "$(tr 'A-Z' 'a-z' <"$work/head")"; }
post /v1/chat/completions "{$question,\"reasoning_effort\":\"high\"}"
ignored reasoning_effort
post /v1/messages "{$question,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}}"
ignored thinking
post /v1/responses '{"input":"What is Hearth?","max_output_tokens":4,"reasoning":{"effort":"high"}}'
ignored reasoning.effort
post /v1/chat/completions "{$question,\"enable_thinking\":false,\"reasoning_effort\":\"none\"}"
expect_status 200
expect_equal "$(grep -ci '^x-hearth-ignored' "$work/head")" 0

# ---- a template that was given must be right; a model without one has no chats until one is given ----
refuse 2 'chat-template: .*line 1, column 7' engine -m ember --port 0 --chat-template '{% if %}'
printf 'a\n{{ b' >"$work/cut.jinja"
refuse 2 'chat-template-file: .*line 2' engine -m ember --port 0 --chat-template-file "$work/cut.jinja"
"$BUILD/make_model" "$work/plain.gguf" llama >/dev/null || fail "make_model"
start_engine -m "$work/plain.gguf" --port 0 || finish
expect_in '^warning: no chats: the model has no chat template; .*--chat-template chatml' "$(cat "$work/engine.err")"
for path in /v1/chat/completions /v1/messages /apply-template; do
    post $path "{$question}"
    expect_status 422
    expect_body 'no chat template; start with --chat-template chatml .* llama3 .* seed_oss"'
done
get /props
expect_equal "$(json '[b.chat_template, b.chat_template_caps ?? null]')" '["",null]'
post /completion '{"prompt":[5,6],"n_predict":1}'
expect_status 200
start_engine -m "$work/plain.gguf" --port 0 --chat-template chatml || finish
post /apply-template '{"messages":[{"role":"user","content":"U"}]}'
expect_equal "$(json 'b.prompt')" '<|im_start|>user
U<|im_end|>
<|im_start|>assistant'
refuse 2 "'chatglm' is neither Jinja nor the name of a format: chatml .* vicuna -orca .* gpt-oss" engine -m ember --port 0 --chat-template chatglm
start_engine -m ember --port 0 --chat-template vicuna-orca || finish
post /apply-template '{"messages":[{"role":"system","content":"S"},{"role":"user","content":"U"}]}'
expect_equal "$(json 'b.prompt')" 'SYSTEM: S
USER: U
ASSISTANT:'
post /apply-template '{"messages":[{"role":"critic","content":"S"}]}'
expect_status 400
stop_engine
finish

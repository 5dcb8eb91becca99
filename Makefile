# Hearth's everyday commands. PRESET is release, debug, asan or tsan; WERROR=1 makes warnings errors.
PRESET ?= release
WERROR ?= 0
BUILD  := $(if $(filter release,$(PRESET)),build,build/$(PRESET))
FLAGS  := -DHEARTH_WERROR=$(if $(filter 1,$(WERROR)),ON,OFF)
JOBS   ?= $(shell nproc)

.PHONY: all page ui run ember test check bench install package clean setup-% configure

all: setup-build page configure
	cmake --build $(BUILD) -j $(JOBS) --target hearth hearth_shared hearth_package hearth_pages

# The page goes into the program, so it comes first. Without Node.js or its registry there is none.
page:
	ui/build --if-possible

ui:
	ui/build

# Serves the page and the built-in model, and prints the address to open. ARGS=run: in the terminal.
run: all
	$(BUILD)/hearth $(or $(ARGS),serve)

# Trains the built-in model again: at most two hours on two cores. Interrupted, it goes on where it was.
EMBER := $(BUILD)/models/ember
ember: all
	cmake --build $(BUILD) -j $(JOBS) --target ember
	$(BUILD)/ember tokenizer $(EMBER)/vocabulary.gguf --count 60000
	$(BUILD)/ember train $(EMBER)/vocabulary.gguf $(EMBER)/ember-f32.gguf --steps 24000 --batch 2048 --dropout 0.05 \
		--checkpoint $(EMBER)/checkpoint
	$(BUILD)/hearth quantize --pure $(EMBER)/ember-f32.gguf models/ember/ember.gguf Q8_0
	$(BUILD)/ember evaluate models/ember/ember.gguf | tail -n 9

test: setup-test page
	cmake --preset $(PRESET) $(FLAGS) -DHEARTH_TESTS=ON
	cmake --build $(BUILD) -j $(JOBS)
	ctest --test-dir $(BUILD) --output-on-failure -j $(JOBS) $(if $(ONLY),-R '$(ONLY)')

check: setup-check
	tools/check

bench: setup-test
	cmake --preset $(PRESET) $(FLAGS) -DHEARTH_TESTS=ON
	cmake --build $(BUILD) -j $(JOBS) --target hearth make_model
	bench/peer --build $(BUILD) $(ARGS)

install: all
	cmake --install $(BUILD) $(if $(PREFIX),--prefix $(PREFIX))

package: all
	cd $(BUILD) && cpack -G DEB

clean:
	rm -rf build ui/dist

configure:
	cmake --preset $(PRESET) $(FLAGS) -DHEARTH_TESTS=OFF

setup-%:
	tools/setup $*

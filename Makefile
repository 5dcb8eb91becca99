# Hearth's everyday commands. PRESET is release, debug, asan or tsan; WERROR=1 makes warnings errors.
PRESET ?= release
WERROR ?= 0
BUILD  := $(if $(filter release,$(PRESET)),build,build/$(PRESET))
FLAGS  := -DHEARTH_WERROR=$(if $(filter 1,$(WERROR)),ON,OFF)
JOBS   ?= $(shell nproc)

.PHONY: all run test check bench install clean setup-% configure

all: setup-build configure
	cmake --build $(BUILD) -j $(JOBS) --target hearth hearth_shared

run: all
	$(BUILD)/hearth $(ARGS)

test: setup-test
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

clean:
	rm -rf build

configure:
	cmake --preset $(PRESET) $(FLAGS) -DHEARTH_TESTS=OFF

setup-%:
	tools/setup $*

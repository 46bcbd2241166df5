# One-word targets over Meson and Ninja. `make demo` and `make test` install what they need first (Debian).

BUILD ?= build
comma := ,
RUN_DEPS := libglib2.0-dev libvips-dev libdnnl-dev libyaml-dev libjson-glib-dev libzip-dev zlib1g-dev libprotobuf-c-dev \
  libmicrohttpd-dev libmatio-dev liblcms2-dev
BUILD_DEPS := gcc libc6-dev pkg-config meson ninja-build protobuf-c-compiler $(RUN_DEPS)
TEST_DEPS := libcmocka-dev libtiff-dev libopenmpi-dev openmpi-bin
DEMO_DEPS := libvips-tools lomiri-wallpapers-16.04 mate-backgrounds
DEB_DEPS := debhelper dpkg-dev fakeroot libopenmpi-dev
SANITIZE_DEPS := clang libclang-rt-dev

.PHONY: all build test demo bench sanitize races fuzz deb install format clean deps

all: build

# Installs the Debian packages that are missing, and nothing when all are there.
define install
	@missing=$$(for p in $(1); do dpkg -s $$p >/dev/null 2>&1 || printf '%s ' $$p; done); \
	if [ -n "$$missing" ]; then \
	  echo "installing $$missing"; \
	  as_root=$$([ $$(id -u) = 0 ] || echo sudo); \
	  $$as_root apt-get update -qq && \
	  $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi
endef

# Configures a build folder; silent when it goes well.
define setup
	@[ -f $(1)/build.ninja ] || { log=$$($(3) meson setup $(1) $(2) 2>&1) || { echo "$$log"; exit 1; }; }
endef

deps:
	$(call install,$(BUILD_DEPS))

# PREFIX: where `make install` is to put things; the program looks for its models below it.
build: deps
	$(call setup,$(BUILD),-Dtests=false)
	$(if $(PREFIX),@meson configure $(BUILD) --prefix=$(abspath $(PREFIX)))
	@ninja -C $(BUILD)

# A build of its own, with tests, so that `make build` needs no test library.
test:
	$(call install,$(BUILD_DEPS) $(TEST_DEPS))
	$(call setup,build-test,)
	@ninja -C build-test
	@sh tests/run.sh build-test

demo:
	$(call install,$(BUILD_DEPS) $(DEMO_DEPS))
	@$(MAKE) --no-print-directory build
	@sh recipes/demo/run.sh $(abspath $(BUILD)/src/cli/noiseda)

bench:
	$(call install,$(BUILD_DEPS))
	$(call setup,build-bench,-Dtests=false -Dbench=true)
	@ninja -C build-bench
	@sh bench/run.sh build-bench

sanitize:
	$(call install,$(BUILD_DEPS) $(TEST_DEPS))
	$(call setup,build-sanitize,-Db_sanitize=address$(comma)undefined -Db_lundef=false --buildtype=debugoptimized)
	@ninja -C build-sanitize
	@LSAN_OPTIONS=suppressions=$(CURDIR)/tests/leaks.supp UBSAN_OPTIONS=halt_on_error=1 sh tests/run.sh build-sanitize

# GLib's own allocator passes memory between threads in a way that the sanitizer does not see.
races:
	$(call install,$(BUILD_DEPS) $(TEST_DEPS))
	$(call setup,build-races,-Db_sanitize=thread -Db_lundef=false --buildtype=debugoptimized)
	@ninja -C build-races tests/api/test_api tests/api/test_api_threads tests/base/test_base
	@for t in base/test_base api/test_api api/test_api_threads; do \
	  G_SLICE=always-malloc TSAN_OPTIONS=halt_on_error=1:suppressions=$(CURDIR)/tests/threads.supp \
	  build-races/tests/$$t || exit 1; done

# Minutes of each fuzzer: make fuzz MINUTES=5. Each starts from tests/fuzz/corpus/NAME.tar.gz, where there is one; what it
# finds stays in build-fuzz/corpus-NAME (fuzz_NAME -merge=1 makes it small again).
MINUTES ?= 1
fuzz:
	$(call install,$(BUILD_DEPS) $(SANITIZE_DEPS))
	$(call setup,build-fuzz,-Dtests=false -Dfuzz=true --buildtype=debugoptimized \
	  -Db_sanitize=address$(comma)undefined -Db_lundef=false,CC=clang)
	@ninja -C build-fuzz
	@for f in build-fuzz/tests/fuzz/fuzz_*; do [ -x $$f ] && [ -f $$f ] || continue; \
	  name=$$(basename $$f); found=build-fuzz/corpus-$$name; kept=tests/fuzz/corpus/$$name.tar.gz; \
	  [ -d $$found ] || { mkdir -p $$found; [ ! -f $$kept ] || tar -xzf $$kept -C $$found; }; \
	  $$f -max_total_time=$$(($(MINUTES) * 60)) $$found || exit 1; done

# Debian packages of the tracked files, in build-deb. tests/packaging/deb.sh installs them where nothing else is.
deb:
	$(call install,$(BUILD_DEPS) $(DEB_DEPS))
	@rm -rf build-deb && mkdir -p build-deb/noiseda
	@git ls-files -z | tar --null -T - -c | tar -x -C build-deb/noiseda
	@cd build-deb/noiseda && dpkg-buildpackage -b -us -uc >../build.log 2>&1 || { tail -30 ../build.log; exit 1; }
	@ls build-deb/*.deb

install: build
	meson install -C $(BUILD)

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

clean:
	rm -rf build build-test build-bench build-sanitize build-races build-fuzz build-deb

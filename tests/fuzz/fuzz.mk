# Builds each fuzz target with libFuzzer and runs it for a while; GNU make, called by `make fuzz`.
#
#   make fuzz                                   every target, FUZZ_SECONDS (30) each
#   make -j2 fuzz FUZZ_SECONDS=600 FUZZ_TARGETS="tcp udp"
#   make fuzz FUZZ_TARGETS=tcp FUZZ_FLAGS="-seed=1 -jobs=0"
#
# New inputs that reach new code are kept in fuzz-build/corpus/NAME and used again by the next run; those
# worth keeping are copied to tests/fuzz/corpus/NAME. An input that fails is left in fuzz-build/crash-NAME-*.
#
# From the caller: SRCDIR, CORE (the core's sources, relative to SRCDIR) and FUZZ_CPPFLAGS.

FUZZ_CC ?= clang
FUZZ_CFLAGS ?= -O1 -g
FUZZ_SECONDS ?= 30
FUZZ_TARGETS ?= $(shell sed -n 's/^FUZZ.\([a-z0-9_]*\),.*/\1/p' $(SRCDIR)/tests/fuzz/targets.def)

dir := fuzz-build
sanitizers := address,undefined
cflags = -std=gnu17 -Wall -Wextra -Wno-unused-parameter -fno-strict-aliasing \
  -fno-omit-frame-pointer -fsanitize=$(sanitizers) -fno-sanitize-recover=all \
  -DSHIM_SANITIZE=1 -DFUZZ_LIBFUZZER $(FUZZ_CPPFLAGS) $(FUZZ_CFLAGS)
core := $(patsubst %.c,$(dir)/%.o,$(filter %.c,$(CORE)))
programs := $(addprefix $(dir)/fuzz_,$(FUZZ_TARGETS))
runs := $(addprefix run-,$(FUZZ_TARGETS))

.PHONY: all $(runs)
.SECONDARY:
all: $(runs)

$(dir)/%.o: $(SRCDIR)/%.c
	@mkdir -p $(@D)
	@echo "  FUZZ-CC  $*.c"
	@$(FUZZ_CC) $(cflags) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

# Two folders may have a file of one name, so the archive is made anew, without replacing members.
$(dir)/libcore.a: $(core)
	@rm -f $@
	@$(AR) qcs $@ $^

$(programs): $(dir)/fuzz_%: $(dir)/tests/fuzz/fuzz_%.o $(dir)/libcore.a
	@echo "  FUZZ-LD  fuzz_$*"
	@$(FUZZ_CC) $(cflags) -fsanitize=fuzzer -o $@ $^

$(runs): run-%: $(dir)/fuzz_%
	@mkdir -p $(dir)/corpus/$*
	@echo "  FUZZ     $* for $(FUZZ_SECONDS) s"
	@$< -max_total_time=$(FUZZ_SECONDS) -timeout=10 -print_final_stats=1 \
	  -artifact_prefix=$(dir)/crash-$*- $(FUZZ_FLAGS) \
	  $(dir)/corpus/$* $(SRCDIR)/tests/fuzz/corpus/$* > $(dir)/$*.log 2>&1 || \
	  { tail -n 40 $(dir)/$*.log; echo "fuzz: $* failed, see $(dir)/$*.log"; exit 1; }
	@sed -n 's/^stat::number_of_executed_units: */           $*: inputs /p' $(dir)/$*.log

-include $(shell find $(dir) -name '*.d' 2>/dev/null)

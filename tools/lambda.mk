# What goes into a package of the deployment. `sam build` runs the Makefiles that include this in their own folders
# (build_in_source in samconfig.toml); no Docker, and any Python with pip will do.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
# A python3.13 on PATH may be a shim that does not run: the first one that runs is taken.
PYTHON313 ?= $(shell for p in $$(type -ap python3.13); do if $$p -c '' 2>/dev/null; then echo $$p; break; fi; done)

# $(call install,requirements file,folder): wheels for the Lambda runtime (Amazon Linux 2023, arm64), by their hashes.
install = $(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --no-compile \
	--only-binary=:all: --implementation cp --python-version 3.13 \
	--platform manylinux2014_aarch64 --platform manylinux_2_28_aarch64 --platform manylinux_2_34_aarch64 \
	--requirement "$(1)" --target "$(2)"

# $(call finish,folder,its place in Lambda): drops what nothing reads there and compiles the rest. Both places are
# read-only, so a package that is not compiled is compiled again by every cold start.
define finish
@find "$(1)" -type d \( -name __pycache__ -o -name tests -o -name test \) -prune -exec rm -rf {} +
@find "$(1)" -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.c' -o -name '*.h' \) -delete
@find "$(1)" -type f \( -path '*.dist-info/RECORD' -o -path '*.dist-info/INSTALLER' -o -path '*.dist-info/REQUESTED' \) -delete
@rm -rf "$(1)/bin"
@if [ -n "$(PYTHON313)" ]; then \
	"$(PYTHON313)" -m compileall -q --invalidation-mode unchecked-hash -s "$(1)" -p "$(2)" "$(1)"; \
else \
	echo "python3.13 is not on PATH: nothing is compiled ahead, cold starts will be slower" >&2; \
fi
endef

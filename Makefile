# campaignd: everything a developer needs is a target here; `make help` lists them.

VERSION  := 0.1.0
SANITIZE ?=
BUILD    ?= $(if $(SANITIZE),build/asan,build)

prefix      ?= /usr
sbindir     ?= $(prefix)/sbin
bindir      ?= $(prefix)/bin
libdir      ?= $(prefix)/lib
includedir  ?= $(prefix)/include
mandir      ?= $(prefix)/share/man
docdir      ?= $(prefix)/share/doc/campaignd
datadir     ?= $(prefix)/share
sysconfdir  ?= /etc
unitdir     ?= /lib/systemd/system
sysusersdir ?= /usr/lib/sysusers.d

# Drivers of sources that can be left out: make WITH_POSTGRES=no. Their client libraries are not linked: who uses them opens them.
WITH_POSTGRES ?= yes
WITH_ODBC     ?= yes
LEFT_OUT := $(if $(filter yes,$(WITH_POSTGRES)),,postgres) $(if $(filter yes,$(WITH_ODBC)),,odbc)
OPENED   := $(if $(filter yes,$(WITH_POSTGRES)),libpq) $(if $(filter yes,$(WITH_ODBC)),odbc)

PACKAGES_BUILD := gcc make pkg-config libc6-dev libuv1-dev libsqlite3-dev libcurl4-openssl-dev libinih-dev \
    libmicrohttpd-dev libjansson-dev libarchive-dev libsodium-dev libpango1.0-dev libcairo2-dev libgumbo-dev \
    libgmime-3.0-dev libicu-dev fonts-liberation2 $(and $(filter yes,$(WITH_POSTGRES)),libpq-dev) \
    $(and $(filter yes,$(WITH_ODBC)),unixodbc-dev)
PACKAGES_DEMO  := sqlite3 python3-minimal libpython3-stdlib
PACKAGES_TEST  := $(PACKAGES_DEMO) libcmocka-dev python3-pytest python3-pytest-xdist python3-aiosmtpd python3-pikepdf \
    postfix poppler-utils systemd procps unzip postgresql-15 mariadb-server-core mariadb-client-core odbc-mariadb odbc-postgresql
PACKAGES_CHECK := clang clang-format cppcheck systemd
PACKAGES_MODEL := spin
PACKAGES_BENCH := $(PACKAGES_TEST) nginx-light

LIBRARIES     := libuv sqlite3 inih jansson libmicrohttpd libarchive libsodium
LIBRARIES_CTL := libcurl jansson
LIBRARIES_LETTER := pangocairo cairo gumbo

CC       ?= gcc
PARALLEL  = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes \
    -Wvla -Wpointer-arith -Wundef -Werror
HARDENED := -fstack-protector-strong -fstack-clash-protection -D_FORTIFY_SOURCE=2
OPTIMIZE := -O2 -g
ifneq ($(SANITIZE),)
HARDENED :=
OPTIMIZE := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined -DCAMPAIGND_SANITIZED
LINK_SANITIZE := -fsanitize=address,undefined
endif
pkg_cflags = $(shell pkg-config --cflags $(1) 2>/dev/null)
pkg_libs   = $(shell pkg-config --libs $(1) 2>/dev/null)
CPPFLAGS_ALL := -D_GNU_SOURCE -Icore -Icore/include -DCAMPAIGND_VERSION='"$(VERSION)"' \
    $(if $(filter yes,$(WITH_POSTGRES)),-DWITH_POSTGRES) $(if $(filter yes,$(WITH_ODBC)),-DWITH_ODBC) \
    -DCAMPAIGND_LIBRARY_DIR='"$(libdir)/campaignd"' -DCAMPAIGND_CONFIGURATION='"$(sysconfdir)/campaignd/campaignd.conf"'
CFLAGS_ALL = -std=gnu11 $(OPTIMIZE) $(WARNINGS) $(HARDENED) -fPIC -fvisibility=hidden -pthread $(CPPFLAGS_ALL) $(CFLAGS)
LDFLAGS_EXE := -pie -Wl,-z,relro,-z,now $(LINK_SANITIZE) $(LDFLAGS)
LDFLAGS_SO  := -shared -Wl,-z,relro,-z,now $(LINK_SANITIZE) $(LDFLAGS)

CORE_FOLDERS := base wire conf store source report run host api daemon
CORE_SOURCES := $(filter-out $(foreach driver,$(LEFT_OUT),core/source/driver_$(driver).c core/source/$(driver).c core/source/$(driver)_tables.c),$(foreach folder,$(CORE_FOLDERS),$(wildcard core/$(folder)/*.c)))
CORE_OBJECTS := $(CORE_SOURCES:%.c=$(BUILD)/obj/%.o)
BASE_OBJECTS := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard core/base/*.c))
CTL_OBJECTS  := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard core/ctl/*.c))
LETTER_OBJECTS := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard core/report/letter/*.c))
PLUGINS      := $(notdir $(patsubst %/,%,$(dir $(wildcard plugins/*/plugin.mk))))
-include $(wildcard plugins/*/plugin.mk)
TEST_PLUGINS := $(patsubst tests/plugins/%.c,$(BUILD)/tests/plugins/%.so,$(wildcard tests/plugins/*.c))
UNIT_TESTS   := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))

.PHONY: help deps all demo test test-asan unit system check format bench model install clean
.DEFAULT_GOAL := all

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | sort | awk -F'\t' '{ printf "  make %-12s %s\n", $$1, $$2 }'

deps: ## install the packages that building needs
	@tests/install-packages $(PACKAGES_BUILD)

# What needs packages goes through a second make, because pkg-config is asked when a Makefile is read.
all: deps ## build everything into build/
	@$(MAKE) --no-print-directory $(PARALLEL) binaries

.PHONY: binaries
binaries: $(BUILD)/campaignd $(BUILD)/campaignctl $(BUILD)/letter.so $(PLUGINS:%=$(BUILD)/plugins/%.so)

.PHONY: test-plugins
test-plugins: $(TEST_PLUGINS)

$(BUILD)/obj/core/report/letter/%.o: core/report/letter/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(call pkg_cflags,$(LIBRARIES_LETTER)) -MMD -MP -c $< -o $@

$(BUILD)/obj/core/ctl/%.o: core/ctl/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(call pkg_cflags,$(LIBRARIES_CTL)) -MMD -MP -c $< -o $@

$(BUILD)/obj/core/%.o: core/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(call pkg_cflags,$(LIBRARIES) $(OPENED)) -MMD -MP -c $< -o $@

$(BUILD)/libcore.a: $(filter-out %/daemon/main.o,$(CORE_OBJECTS))
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/campaignd: $(BUILD)/obj/core/daemon/main.o $(BUILD)/libcore.a
	$(CC) $(LDFLAGS_EXE) -o $@ $^ $(call pkg_libs,$(LIBRARIES)) -ldl -pthread

$(BUILD)/campaignctl: $(CTL_OBJECTS) $(BASE_OBJECTS)
	$(CC) $(LDFLAGS_EXE) -o $@ $^ $(call pkg_libs,$(LIBRARIES_CTL)) -pthread

$(BUILD)/letter.so: $(LETTER_OBJECTS) $(BASE_OBJECTS)
	$(CC) $(LDFLAGS_SO) -o $@ $^ $(call pkg_libs,$(LIBRARIES_LETTER)) -lm -pthread

# A plugin sees campaignd/action.h and nothing else of core/. Its plugin.mk may name libraries: NAME_LIBRARIES.
define plugin_rules
$(BUILD)/obj/plugins/$(1)/%.o: plugins/$(1)/%.c
	@mkdir -p $$(@D)
	$$(CC) -std=gnu11 $$(OPTIMIZE) $$(WARNINGS) $$(HARDENED) -fPIC -fvisibility=hidden -pthread -D_GNU_SOURCE \
	    -DPLUGIN_VERSION='"$$(VERSION)"' -Icore/include -Iplugins/$(1) $$(call pkg_cflags,$$($(1)_LIBRARIES)) $$(CFLAGS) -MMD -MP -c $$< -o $$@
$(BUILD)/plugins/$(1).so: $$(patsubst %.c,$(BUILD)/obj/%.o,$$(wildcard plugins/$(1)/*.c))
	@mkdir -p $$(@D)
	$$(CC) $$(LDFLAGS_SO) -o $$@ $$^ $$(if $$($(1)_LIBRARIES),$$(call pkg_libs,$$($(1)_LIBRARIES))) -pthread
endef
$(foreach plugin,$(PLUGINS),$(eval $(call plugin_rules,$(plugin))))

# Plugins that only tests and benchmarks load.
$(BUILD)/tests/plugins/%.so: tests/plugins/%.c core/include/campaignd/action.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(OPTIMIZE) $(WARNINGS) $(HARDENED) -fPIC -fvisibility=hidden -pthread -D_GNU_SOURCE -Icore/include $(CFLAGS) \
	    $(LDFLAGS_SO) -o $@ $<

$(BUILD)/tests/%: tests/unit/%.c $(BUILD)/libcore.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -Wno-missing-prototypes $(call pkg_cflags,$(LIBRARIES) cmocka) $(LDFLAGS_EXE) -MMD -MP -o $@ $< $(BUILD)/libcore.a \
	    $(call pkg_libs,$(LIBRARIES) cmocka) -ldl -lm -pthread

demo: deps ## build, make a demo site below demo/, run the Informationskampagne
	@tests/install-packages $(PACKAGES_DEMO)
	@$(MAKE) --no-print-directory -s $(PARALLEL) binaries
	@conf/demo/run-demo

test: deps ## build and run all tests
	@tests/install-packages $(PACKAGES_TEST)
	@$(MAKE) --no-print-directory -s $(PARALLEL) binaries test-plugins
	@$(MAKE) --no-print-directory unit system

test-asan: ## all tests with address, undefined-behaviour and leak sanitizers
	@$(MAKE) --no-print-directory SANITIZE=1 test

.PHONY: unit-binaries
unit-binaries: $(UNIT_TESTS)

export LSAN_OPTIONS := suppressions=$(CURDIR)/tests/lsan.supp:print_suppressions=0
export ASAN_OPTIONS := detect_odr_violation=0:abort_on_error=0
export UBSAN_OPTIONS := print_stacktrace=1

unit: ## the C tests alone
	@$(MAKE) --no-print-directory -s $(PARALLEL) unit-binaries
	@CAMPAIGND_BUILD=$(BUILD) tests/run-unit $(UNIT_TESTS)

# Tests marked `alone` measure speed: nothing else may run beside them.
PYTEST := /usr/bin/python3 -m pytest -q -p no:cacheprovider
PYTEST_ARGUMENTS ?=
system: ## the black-box tests alone; PYTEST_ARGUMENTS="-k name" for some of them
	@CAMPAIGND_BUILD=$(CURDIR)/$(BUILD) $(PYTEST) -n $${TEST_JOBS:-4} -m "not alone" tests/system plugins $(PYTEST_ARGUMENTS)
	@CAMPAIGND_BUILD=$(CURDIR)/$(BUILD) $(PYTEST) -m alone tests/system plugins $(PYTEST_ARGUMENTS) || [ $$? = 5 ]

check: deps ## both compilers, format, static analysis, layers, unit file
	@tests/install-packages $(PACKAGES_CHECK)
	@tests/check

format: ## let clang-format decide
	@clang-format -i $$(git ls-files -co --exclude-standard '*.c' '*.h')

model: ## check the run protocol's model with spin
	@tests/install-packages $(PACKAGES_MODEL)
	@tests/model/run

bench: deps ## the figures beside the peers', into build/bench.json
	@tests/install-packages $(PACKAGES_BENCH)
	@$(MAKE) --no-print-directory -s $(PARALLEL) binaries test-plugins
	@CAMPAIGND_BUILD=$(CURDIR)/$(BUILD) /usr/bin/python3 tests/bench/bench.py

# Objects know where they will be installed, and what is left out: another prefix makes those anew.
INSTALLED_AT = $(libdir) $(sysconfdir) $(LEFT_OUT)
$(BUILD)/installed-at: $(if $(filter-out $(shell cat $(BUILD)/installed-at 2>/dev/null),$(INSTALLED_AT)),FORCE)
	@mkdir -p $(@D)
	@echo '$(INSTALLED_AT)' >$@
$(BUILD)/obj/core/conf/keys.o $(BUILD)/obj/core/conf/sources.o $(BUILD)/obj/core/source/source.o \
    $(BUILD)/obj/core/daemon/main.o: $(BUILD)/installed-at
.PHONY: FORCE

DESTDIR ?=
INSTALL_TEXT = sed -e 's|/usr/sbin/|$(sbindir)/|; s|/usr/bin/|$(bindir)/|; s|/etc/campaignd|$(sysconfdir)/campaignd|' \
    -e 's|@prefix@|$(prefix)|; s|@includedir@|$(includedir)|; s|@libdir@|$(libdir)|; s|@version@|$(VERSION)|'

install: ## install below DESTDIR; prefix, libdir, sysconfdir … as usual (a site's campaignd.conf is left as it is)
	@$(MAKE) --no-print-directory -s $(PARALLEL) binaries
	install -d $(addprefix $(DESTDIR),$(sbindir) $(bindir) $(libdir)/campaignd/plugins $(libdir)/pkgconfig \
	    $(includedir)/campaignd $(unitdir) $(sysusersdir) $(sysconfdir)/campaignd/conf.d $(docdir)/plugins \
	    $(datadir)/bash-completion/completions $(mandir)/man1 $(mandir)/man5 $(mandir)/man8)
	install -m 755 $(BUILD)/campaignd $(DESTDIR)$(sbindir)/
	install -m 755 $(BUILD)/campaignctl $(DESTDIR)$(bindir)/
	install -m 644 $(BUILD)/letter.so $(DESTDIR)$(libdir)/campaignd/
	install -m 644 $(PLUGINS:%=$(BUILD)/plugins/%.so) $(DESTDIR)$(libdir)/campaignd/plugins/
	install -m 644 core/include/campaignd/action.h $(DESTDIR)$(includedir)/campaignd/
	$(INSTALL_TEXT) conf/campaignd.pc >$(DESTDIR)$(libdir)/pkgconfig/campaignd.pc
	$(INSTALL_TEXT) conf/campaignd.service >$(DESTDIR)$(unitdir)/campaignd.service
	install -m 644 conf/campaignd.sysusers $(DESTDIR)$(sysusersdir)/campaignd.conf
	[ -e $(DESTDIR)$(sysconfdir)/campaignd/campaignd.conf ] || \
	    install -m 644 conf/campaignd.conf $(DESTDIR)$(sysconfdir)/campaignd/
	install -m 644 conf/campaignctl.bash-completion $(DESTDIR)$(datadir)/bash-completion/completions/campaignctl
	for page in docs/man/*.[158]; do install -m 644 $$page $(DESTDIR)$(mandir)/man$${page##*.}/ || exit 1; done
	install -m 644 LICENSE docs/*.md conf/credentials.conf $(DESTDIR)$(docdir)/
	for plugin in $(PLUGINS); do \
	    install -m 644 plugins/$$plugin/README.md $(DESTDIR)$(docdir)/plugins/$$plugin.md || exit 1; done

clean: ## remove build/ and demo/
	rm -rf build demo

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

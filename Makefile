# Everything here needs Go 1.26 or later; the tests need PostgreSQL, Redis, nginx, Chromium and Jupyter too, and install them where they can.
SIMULATE := bin/simulate
export GOWORK := off# each module by itself, as who imports one has it
DEMO := -s 1%,5%,20% -o table -o svg:out/demo.svg
BUNDLED := workloads/testdata/web07.trace.xz workloads/testdata/web12.trace.xz

.PHONY: help demo test race fuzz bench lint build clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

demo: build ## replay the bundled traces through the strategies and the baselines: a table and out/demo.svg
	@mkdir -p out
	$(SIMULATE) run $(DEMO) $(BUNDLED) 'gen:tickets?n=200000&seed=9'
	@echo "the picture is in out/demo.svg"

test: build postgres redis memcached nginx chromium ## pass all tests
	go vet ./...
	go test -shuffle=on ./...
	cd cmd/server && go vet ./... && go test -shuffle=on ./...
	$(SIMULATE) verify --quick
	$(MAKE) gate
	$(MAKE) jupyter && jupyter nbconvert --log-level ERROR --to notebook --execute --output-dir out/notebooks notebooks/*.ipynb
	cd bench && go vet ./...
	cd examples && go vet ./... && go test ./... && for e in */; do go run ./$$e >/dev/null || exit 1; done

# What the arena hits on some traffic must not become less: docs/ci.md.
GATE := -q --no-timing -p folio -s 1%,5% --seeds 3 $(BUNDLED) 'gen:tickets?n=100000&seed=9'

.PHONY: gate baseline
gate: build ## has a change of the arena lost hits?
	@mkdir -p out
	$(SIMULATE) run $(GATE) -o json:out/gate.json
	$(SIMULATE) compare testdata/baseline.json out/gate.json

baseline: build ## what it hits now is what it is to hit from now on
	$(SIMULATE) run $(GATE) -o json:testdata/baseline.json

.PHONY: postgres
postgres:
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || test -n "$$DATABASE_URL" || \
		{ apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y postgresql; } >/dev/null || \
		{ echo "make test needs PostgreSQL: install it, or set DATABASE_URL" >&2; exit 1; }

.PHONY: redis
redis:
	@command -v redis-server >/dev/null || \
		{ apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y redis-server; } >/dev/null || \
		{ echo "make test needs redis-server: install it" >&2; exit 1; }

.PHONY: memcached
memcached:
	@command -v memcached >/dev/null || \
		{ apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y memcached; } >/dev/null || \
		{ echo "make test needs memcached: install it" >&2; exit 1; }

.PHONY: chromium
chromium:
	@command -v chromium >/dev/null || \
		{ apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y chromium; } >/dev/null || \
		{ echo "make test needs Chromium: install it" >&2; exit 1; }

.PHONY: nginx
nginx:
	@command -v nginx >/dev/null || test -x /usr/sbin/nginx || \
		{ apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y nginx-light; } >/dev/null || \
		{ echo "make test needs nginx: install it" >&2; exit 1; }

race: ## the tests with the race detector
	go test -race -shuffle=on ./...
	cd cmd/server && go test -race -shuffle=on ./...

fuzz: ## every fuzz target for ten seconds
	@for m in . cmd/server; do cd $(CURDIR)/$$m; for p in $$(go list ./...); do for f in $$(go test -list '^Fuzz' $$p | grep '^Fuzz'); do \
		go test -run '^$$' -fuzz "^$$f$$" -fuzztime 10s -fuzzminimizetime 10x $$p || exit 1; done; done; done

bench: ## the benchmarks
	go test -run '^$$' -bench . -benchmem ./...
	cd bench && go test -run '^$$' -bench . ./...

lint: ## what CI would complain about
	@test -z "$$(gofmt -l .)" || { gofmt -l .; exit 1; }
	go vet ./...
	cd cmd/server && go vet ./...

build: ## build bin/simulate and bin/server
	go build -o $(SIMULATE) ./cmd/simulate
	cd cmd/server && go build -o ../../bin/server .

clean: ## remove what was built
	rm -rf bin out

.PHONY: notebooks jupyter
notebooks: jupyter ## execute the notebooks anew, in place
	cd notebooks && jupyter nbconvert --to notebook --execute --inplace *.ipynb

jupyter:
	@command -v jupyter >/dev/null && $$(head -1 $$(command -v jupyter) | cut -c3-) -c 'import matplotlib, ipykernel' 2>/dev/null || \
		{ apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends jupyter-nbconvert python3-ipykernel python3-matplotlib; } >/dev/null || \
		{ echo "the notebooks need jupyter-nbconvert, ipykernel and matplotlib: install them" >&2; exit 1; }

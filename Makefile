# make demo and make test are all a newcomer needs; both prepare .venv and the default backbone.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1
SOURCES := tslm tests

CONFORMANCE := .venv-conformance
PEERS := .venv-suite-peers
GROUP ?= chronos2
SUITE ?= outputs/suite

.PHONY: setup demo test test-data test-all hostile hostile-models faults error-rates check format lint type imports golden settings notebooks wheel
.PHONY: conformance docs tutorials suite suite-peers suite-fev suite-publish pretrain pretrain-study text-head

.venv/.ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt torch
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	touch $@

setup: .venv/.ready
	$(BIN)/tslm backbone pull smollm2-135m

demo: setup
	$(BIN)/tslm demo out=outputs/demo

test: setup
	TSLM_REQUIRE_BACKBONE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

# only the tests that read TSLM_DATA, the folder of the sets that are not shipped
test-data: setup
	TSLM_REQUIRE_DATA=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "data and not (slow or gpu)"

test-all: setup
	TSLM_REQUIRE_BACKBONE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not gpu"

# train the effect head that comes with tslm, on generated statements: docs/text.md
text-head: setup
	OMP_NUM_THREADS=1 $(BIN)/python docs/benchmarks/text_head.py

hostile-models: .venv/.ready
	OMP_NUM_THREADS=1 nice $(BIN)/python -m tests.campaigns.test_hostile_models 250

# on a computer that has an accelerator; at most eight minutes
gpu: .venv/.ready
	CUBLAS_WORKSPACE_CONFIG=:4096:8 TSLM_GPU_LOG=docs/results/gpu.json timeout 480 $(BIN)/python -m pytest -q -m gpu tests/contract/test_gpu.py

hostile: .venv/.ready
	OMP_NUM_THREADS=1 nice $(BIN)/python -m tests.campaigns.test_hostile_frames 20000

# killed processes, full disks, read-only folders and others, at most 30 minutes: docs/faults.md
faults: .venv/.ready
	mkdir -p outputs
	OMP_NUM_THREADS=1 nice $(BIN)/python -m tests.campaigns.test_faults $(or $(TRIES),240) \
	  --seed $(or $(SEED),0) --minutes 30 --log outputs/faults.jsonl

# how often an ablation of equal arms calls one better, simulated; docs/controls.md has the tables
error-rates: .venv/.ready
	OMP_NUM_THREADS=1 nice $(BIN)/python -m tests.evaluation.ablation.error_rates

check: lint type imports test

format: .venv/.ready
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

lint: .venv/.ready
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

type: .venv/.ready
	$(BIN)/mypy

imports: .venv/.ready
	$(BIN)/lint-imports --no-cache

golden: setup
	TSLM_GOLDEN=write $(BIN)/python -m pytest tests/contract/test_golden.py

# docstrings and yaml comments of settings, from tslm/core/config/schema.py
settings: .venv/.ready
	TSLM_SETTINGS=write $(BIN)/python -m pytest tests/contract/test_settings.py

notebooks: .venv/.ready
	$(BIN)/jupytext --sync notebooks/*.py

# with the default LLM, as docs/tutorials shows them; no places on this machine
tutorials: setup
	PYTHONWARNINGS='ignore:IProgress' $(BIN)/jupyter nbconvert --to notebook --execute \
	  --output-dir build/tutorials $(or $(NOTEBOOK),notebooks/*.ipynb)
	$(BIN)/jupyter nbconvert --to markdown --CoalesceStreamsPreprocessor.enabled=True \
	  --output-dir docs/tutorials \
	  $(addprefix build/tutorials/,$(notdir $(or $(NOTEBOOK),$(wildcard notebooks/*.ipynb))))
	sed -i -E 's,^( +)/[^ ]*\.py:[0-9]+: ,\1,' docs/tutorials/*.md

wheel: .venv/.ready
	$(BIN)/python -m build --wheel

# sktime needs an older pandas than ours
$(CONFORMANCE)/.ready: pyproject.toml
	test -x $(CONFORMANCE)/bin/python || $(PYTHON) -m venv $(CONFORMANCE)
	grep -v '^pandas' constraints.txt > $(CONFORMANCE)/constraints.txt
	$(CONFORMANCE)/bin/python -m pip install -q -c $(CONFORMANCE)/constraints.txt torch
	$(CONFORMANCE)/bin/python -m pip install -q -c $(CONFORMANCE)/constraints.txt -e '.[conformance]'
	$(CONFORMANCE)/bin/python -m pip install -q --no-deps foundationforecast
	touch $@

# without our own types: sktime looks at signatures; with scikit-learn's checks of the array API
conformance: $(CONFORMANCE)/.ready
	SCIPY_ARRAY_API=1 OMP_NUM_THREADS=1 $(CONFORMANCE)/bin/python -m pytest -q tests/conformance \
	  -o addopts="--import-mode=importlib --strict-markers -p no:cacheprovider"

docs: .venv/.ready
	$(BIN)/mkdocs build --strict

# every entrant of a group; the same command continues an interrupted one. TSLM_DATA names the sets
suite: setup
	OMP_NUM_THREADS=1 $(BIN)/tslm suite group=$(GROUP) out=$(SUITE)

$(PEERS)/.ready: docs/benchmarks/suite_peers.txt
	test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install -q -r $<
	touch $@

# models of other libraries in the same table; MODELS="auto_ets flair" runs some of them
suite-peers: .venv/.ready $(PEERS)/.ready
	$(BIN)/tslm suite group=$(GROUP) export=$(SUITE)/tasks out=$(SUITE)
	OMP_NUM_THREADS=1 $(PEERS)/bin/python docs/benchmarks/suite_peers.py \
	  --tasks $(SUITE)/tasks/$(GROUP) --out $(SUITE)/$(GROUP) $(if $(MODELS),--models $(MODELS))
	$(BIN)/tslm suite group=$(GROUP) 'entrants=[]' out=$(SUITE)

# the errors of the electricity prices again, computed by fev from the stored forecasts
suite-fev: $(PEERS)/.ready
	$(PEERS)/bin/python docs/benchmarks/suite_fev.py --data $(TSLM_DATA) --out $(SUITE)/epf

# the tables of a group as the documentation shows them, and a picture of the ranks
suite-publish: .venv/.ready
	mkdir -p docs/results/suite
	cp $(SUITE)/$(GROUP).json $(SUITE)/$(GROUP).md $(SUITE)/$(GROUP).html docs/results/suite/
	$(BIN)/python docs/pictures.py ranks

# one adapter per segment length, trained on the rows before the test rows of all sets
pretrain: setup
	OMP_NUM_THREADS=1 $(BIN)/python docs/benchmarks/pretrain.py train --out outputs/pretrained

# the same with the sets of one task left out, for every task and control; continues where it stopped
pretrain-study: setup
	OMP_NUM_THREADS=1 $(BIN)/python docs/benchmarks/pretrain.py study --out outputs/pretrained-study

# The two commands are `make quickstart` and `make test`; each does all its own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BENCH_VENV := .venv-bench
BENCH_READY := $(BENCH_VENV)/.ready
TRACKERS_VENV := .venv-trackers
TRACKERS_READY := $(TRACKERS_VENV)/.ready
OUTPUT ?= quickstart
WORKERS ?= 2
FUZZ_SECONDS ?= 600

.DEFAULT_GOAL := help
.PHONY: help quickstart test test-docs test-fuzz test-scale test-kills test-vllm test-trackers check bench clean

help:
	@echo "make quickstart   align a real 135M model on this machine and write $(OUTPUT)/report.html"
	@echo "make test         run the tests"
	@echo "make test-docs    run every command of the documentation as printed, on a real model; takes hours"
	@echo "make test-fuzz    damage inputs of every kind for FUZZ_SECONDS=600 seconds"
	@echo "make test-scale   train every method on two processes and in shards, against one process"
	@echo "make test-kills   kill a run at 50 moments and at each of its file operations, and refuse each of them"
	@echo "make test-vllm    train against a real vLLM server; TRUING_VLLM_PYTHON names a Python with vllm"
	@echo "make test-trackers   train with each experiment tracker and read back what it wrote"
	@echo "make check        ruff, pyright and the architecture test"
	@echo "make bench        measure against TRL 1.16, alternating in one run"

# torch goes first and alone: where the package index offers a CPU build, nothing later pulls in CUDA.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("truing needs Python 3.11 or newer, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[data,dev]'
	@touch $@

quickstart: $(READY)
	$(BIN)/truing quickstart --output $(OUTPUT)

# Two processes, of one thread each in most tests; a file's tests stay together and share what it sets up.
test: check
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile

# A model of 135M parameters is trained, sampled and measured by every page in turn.
test-docs: $(READY)
	$(BIN)/python -m pytest -m docs --timeout=0

test-fuzz: $(READY)
	TRUING_FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/python -m pytest --timeout=0 tests/test_fuzz.py

test-scale: $(READY)
	TRUING_SCALE=1 $(BIN)/python -m pytest tests/runs/test_crew.py tests/runs/test_rehearsal.py tests/models/test_world.py tests/models/test_sharding.py

test-kills: $(READY)
	TRUING_KILLS=1 $(BIN)/python -m pytest tests/runs/test_killed.py

# vLLM pins its own torch, so it lives in an environment of its own: CONTRIBUTING.md says how to make one.
test-vllm: $(READY)
	@test -n "$(TRUING_VLLM_PYTHON)" || (echo "set TRUING_VLLM_PYTHON to a Python with vllm"; exit 2)
	$(BIN)/python -m pytest -m vllm

# MLflow holds pyarrow below the version that the other tests run with.
$(TRACKERS_READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(TRACKERS_VENV)
	$(TRACKERS_VENV)/bin/python -m pip install --quiet torch==2.13.0
	grep -v '^pyarrow==' constraints.txt > $(TRACKERS_VENV)/constraints.txt
	$(TRACKERS_VENV)/bin/python -m pip install --quiet --constraint $(TRACKERS_VENV)/constraints.txt --editable '.[trackers,dev]'
	@touch $@

test-trackers: $(TRACKERS_READY)
	$(TRACKERS_VENV)/bin/python -m pytest -m trackers tests/runs

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/python -m pytest tests/test_architecture.py

# The peer lives in an environment of its own: it pins what we do not.
$(BENCH_READY): benchmarks/requirements-peer.txt
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet torch==2.13.0
	$(BENCH_VENV)/bin/python -m pip install --quiet --requirement benchmarks/requirements-peer.txt
	@touch $@

bench: $(READY) $(BENCH_READY)
	$(BIN)/python benchmarks/vs_trl.py --method dpo --dtype bf16
	$(BIN)/python benchmarks/vs_trl.py --method dpo --dtype fp32
	$(BIN)/python benchmarks/vs_trl.py --method dpo --dtype bf16 --prompt-words 400 --response-words 40
	$(BIN)/python benchmarks/vs_trl.py --method sft --dtype bf16
	$(BIN)/python benchmarks/vs_trl.py --method sft --dtype fp32
	$(BIN)/python benchmarks/vs_trl.py --method reward --dtype bf16
	$(BIN)/python benchmarks/vs_trl.py --method kto --dtype bf16
	$(BIN)/python benchmarks/vs_trl.py --method reward --dtype fp32
	$(BIN)/python benchmarks/vs_trl.py --method kto --dtype fp32
	$(BIN)/python benchmarks/vs_trl.py --method orpo --dtype bf16
	$(BIN)/python benchmarks/vs_trl.py --method cpo --dtype bf16
	$(BIN)/python benchmarks/second_epoch.py --dtype bf16
	$(BIN)/python benchmarks/grpo_vs_trl.py --dtype bf16
	$(BIN)/python benchmarks/grpo_vs_trl.py --dtype bf16 --prompt-words 400
	$(BIN)/python benchmarks/sampler.py
	$(BIN)/python benchmarks/ppo_memory.py

clean:
	rm -rf $(VENV) $(BENCH_VENV) $(TRACKERS_VENV) .pytest_cache .ruff_cache

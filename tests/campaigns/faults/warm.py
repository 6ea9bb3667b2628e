"""Modules that the commands of the campaign need, imported once for all of its processes."""

import tests.campaigns.faults.clock  # noqa: F401, I001  # before those that read the clock

import importlib
from contextlib import suppress

NAMES = """
    hydra lightning.pytorch optuna pandas pyarrow.dataset pyarrow.parquet scipy.optimize
    scipy.stats sklearn.linear_model torch tqdm transformers utilsforecast.processing
    transformers.models.llama.modeling_llama uvicorn fastapi fastapi.testclient uvicorn.logging
    uvicorn.loops.asyncio uvicorn.protocols.http.h11_impl uvicorn.lifespan.on prometheus_client
    tslm.interfaces.cli.commands tslm.interfaces.cli.main tslm.interfaces.cli.result_commands
    tslm.interfaces.cli.serve_command tslm.evaluation.tuning tslm.distributed tslm.serving.web
    tslm.models.assembly tslm.estimators.factory tslm.interfaces.cli.output
"""
for name in NAMES.split():
    with suppress(ImportError):  # of an extra that is not installed
        importlib.import_module(name)

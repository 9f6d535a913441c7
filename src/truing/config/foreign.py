"""The names that other toolkits give to keys, methods and losses, with truing's name for each.

    ours_of("lr")                 Ours("optim.learning_rate")
    told_key("lr")                "it is optim.learning_rate here"
    told_method("rm")             "it is method: reward here"
    told_loss("dpo", "sigmoid")   "it is loss.name: dpo here"

`PEERS` has one table per toolkit, from its key to ours: to add a key, add a row. A key without a counterpart
has an empty `Ours.key` and a note that says why. Keys of the same name and meaning, such as `seed`, need no
row.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from truing.core.messages import Sentence, message


@dataclass(frozen=True, slots=True)
class Ours:
    """The key of truing that stands for another toolkit's key, or a note where there is none."""

    key: str  # dotted, as in `--set`; empty where nothing here does the same
    note: str = ""  # advice on the key, or the reason why there is none

    @property
    def told(self) -> Sentence:
        """The end of a sentence about the peer's key: `it is dtype here: float32 or bfloat16`."""
        if not self.key:
            return message("it has no counterpart here: {note}", note=message(self.note))
        if not self.note:
            return message("it is {key} here", key=self.key)
        return message("it is {key} here: {note}", key=self.key, note=message(self.note))


def _absent(note: str) -> Ours:
    return Ours("", note)


_DTYPE = Ours("dtype", "auto, float32 or bfloat16")
_FILES = Ours("data.train", "files of rows, or hub:org/name")
_ADAPTER = Ours("lora", "leave it out to train all weights")
_STEP = Ours("optim.items_per_step", "all rows of one optimiser step: size x accumulation x devices")
_DEVICE = Ours("device", "auto, cpu, cuda, cuda:1 …")
_ALWAYS = _absent("truing does it always")
_QUANTISED = _absent("weights are not quantised; take a smaller model or fewer tokens_per_pass")
_METRICS = _absent("every step is logged to metrics.jsonl in the run folder")
_RESUME = _absent("the same command resumes an unfinished run")
_NO_CODE = _absent("no code of a model is ever run")
_ATTENTION = _absent("it is chosen by the device and the lengths")
_LOSS_NAME = Ours("loss.name")
_ENGINE = _absent("one process trains")

_TRAINER = {  # transformers' TrainingArguments, which three toolkits build on
    "output_dir": Ours("output"),
    "overwrite_output_dir": _RESUME,
    "resume_from_checkpoint": _RESUME,
    "num_train_epochs": Ours("optim.epochs"),
    "max_steps": Ours("optim.max_steps"),
    "per_device_train_batch_size": _STEP,
    "train_batch_size": _STEP,
    "gradient_accumulation_steps": Ours(
        "optim.items_per_step", "the whole step's rows; tokens_per_pass cuts them to fit"
    ),
    "per_device_eval_batch_size": Ours("tokens_per_pass", "in tokens"),
    "learning_rate": Ours("optim.learning_rate"),
    "lr": Ours("optim.learning_rate"),
    "lr_scheduler_type": Ours("optim.schedule", "cosine, linear or constant"),
    "warmup_ratio": Ours("optim.warmup", "a share of all steps when below 1"),
    "warmup_steps": Ours("optim.warmup", "a number of steps when 1 or more"),
    "weight_decay": Ours("optim.weight_decay"),
    "max_grad_norm": Ours("optim.max_grad_norm"),
    "adam_beta1": Ours("optim.betas", "a list of two"),
    "adam_beta2": Ours("optim.betas", "a list of two"),
    "adam_epsilon": Ours("optim.eps"),
    "bf16": _DTYPE,
    "fp16": _DTYPE,
    "torch_dtype": _DTYPE,
    "use_cpu": _DEVICE,
    "no_cuda": _DEVICE,
    "save_steps": Ours("checkpoint.every"),
    "save_strategy": Ours("checkpoint.every", "a number of steps"),
    "save_total_limit": Ours("checkpoint.keep"),
    "eval_steps": Ours("evaluate.every"),
    "eval_strategy": Ours("evaluate.every", "a number of steps"),
    "evaluation_strategy": Ours("evaluate.every", "a number of steps"),
    "load_best_model_at_end": _absent("the weights of the best evaluation are the result"),
    "gradient_checkpointing": Ours("activation_checkpointing"),
    "logging_steps": _METRICS,
    "logging_dir": _METRICS,
    "report_to": Ours("track", "[tensorboard, wandb]"),
    "run_name": Ours("output", "the folder; track.name names it in trackers"),
    "do_train": _absent("`truing train` trains"),
    "do_eval": Ours("data.eval", "files, or data.eval_fraction"),
    "push_to_hub": _absent("`truing export` writes a folder to upload"),
    "deepspeed": _ENGINE,
    "ddp_timeout": _ENGINE,
    "dataloader_num_workers": _absent("rows are read before training"),
    "preprocessing_num_workers": _absent("rows are read before training"),
    "plot_loss": _absent("`truing report` draws it"),
    "attn_implementation": _ATTENTION,
    "trust_remote_code": _NO_CODE,
    "use_liger_kernel": _absent("the head is computed in chunks without it"),
    "neftune_noise_alpha": _absent("noise on embeddings is not made"),
    "padding_free": _ALWAYS,
}

_SHARED = (  # with the trainer's names and meanings in axolotl too
    "learning_rate",
    "warmup_ratio",
    "warmup_steps",
    "weight_decay",
    "max_grad_norm",
    "adam_beta1",
    "adam_beta2",
    "adam_epsilon",
    "bf16",
    "fp16",
)

_PREFERENCE = {  # TRL's names of hyper-parameters, which others took over
    "beta": Ours("loss.beta"),
    "label_smoothing": Ours("loss.label_smoothing"),
    "loss_type": _LOSS_NAME,
    "loss_weights": Ours("loss.mix", "{dpo: 0.8, ipo: 0.2}"),
    "rpo_alpha": Ours("loss.sft_weight"),
    "cpo_alpha": Ours("loss.sft_weight"),
    "simpo_gamma": Ours("loss.gamma"),
    "ld_alpha": Ours("loss.ld_alpha"),
    "f_divergence_type": Ours("loss.divergence"),
    "f_alpha_divergence_coef": Ours("loss.divergence_alpha", "1 minus the coefficient"),
    "desirable_weight": Ours("loss.desirable_weight"),
    "undesirable_weight": Ours("loss.undesirable_weight"),
    "center_rewards_coefficient": Ours("loss.center"),
    "num_generations": Ours("online.group_size"),
    "num_iterations": Ours("online.epochs"),
    "max_completion_length": Ours("sampling.max_new_tokens"),
    "response_length": Ours("sampling.max_new_tokens"),
    "max_prompt_length": Ours("data.max_tokens", "prompt and response together"),
    "temperature": Ours("sampling.temperature"),
    "top_p": Ours("sampling.top_p"),
    "top_k": Ours("sampling.top_k"),
    "min_p": Ours("sampling.min_p"),
    "repetition_penalty": Ours("sampling.repetition_penalty"),
    "epsilon": Ours("loss.low", "and loss.high"),
    "epsilon_high": Ours("loss.high"),
    "kl_coef": Ours("loss.kl_weight"),
    "scale_rewards": Ours("loss.credit", "group_standardised, group_centred …"),
    "mask_truncated_completions": Ours("online.truncated", "keep or mask"),
    "top_entropy_quantile": Ours("loss.entropy_share"),
    "missing_eos_penalty": Ours("online.missing_eos_penalty"),
    "reward_funcs": Ours("rewards", "a list such as [{name: numeric}]"),
    "reward_weights": Ours("rewards", "weight: of each part"),
    "use_vllm": Ours("sampling.servers", "addresses of vLLM servers"),
    "vllm_server_base_url": Ours("sampling.servers"),
    "ref_model": Ours("reference"),
    "ref_model_path": Ours("reference"),
    "reward_model": Ours("rewards", "[{name: model, path: FOLDER}]"),
    "reward_model_path": Ours("rewards", "[{name: model, path: FOLDER}]"),
    "precompute_ref_log_probs": _ALWAYS,
}

_LORA = {
    "lora_r": Ours("lora.r"),
    "lora_rank": Ours("lora.r"),
    "lora_alpha": Ours("lora.alpha"),
    "lora_dropout": Ours("lora.dropout"),
    "lora_target_modules": Ours("lora.targets"),
    "target_modules": Ours("lora.targets"),
    "use_rslora": Ours("lora.rslora"),
    "use_dora": Ours("lora.dora"),
    "lora_modules_to_save": _absent("an adapter trains its own weights alone; leave lora out to train all"),
}

PEERS: Mapping[str, Mapping[str, Ours]] = {
    "TRL": {
        **_TRAINER,
        **_PREFERENCE,
        **_LORA,
        "model_name_or_path": Ours("policy"),
        "model_revision": _absent("the newest revision is taken; fetch another one to a folder"),
        "dtype": _DTYPE,
        "use_peft": _ADAPTER,
        "load_in_4bit": _QUANTISED,
        "load_in_8bit": _QUANTISED,
        "dataset_name": _FILES,
        "dataset_config": _FILES,
        "dataset_train_split": Ours("data.train", "hub:org/name:SPLIT"),
        "dataset_test_split": Ours("data.eval", "hub:org/name:SPLIT"),
        "dataset_num_proc": _absent("rows are read before training"),
        "max_length": Ours("data.max_tokens"),
        "max_seq_length": Ours("data.max_tokens"),
        "truncation_mode": Ours("data.truncation", "drop, prompt-left or response-right"),
        "packing": Ours("packing", "auto, trees or padded"),
        "chat_template_path": Ours("data.template", "auto, chat, alpaca or plain"),
        "completion_only_loss": _absent("responses alone carry loss"),
        "assistant_only_loss": _absent("responses alone carry loss"),
    },
    "LLaMA-Factory": {
        **_TRAINER,
        **_LORA,
        "model_name_or_path": Ours("policy"),
        "adapter_name_or_path": Ours("policy", "an adapter's folder is a model here"),
        "stage": Ours("method"),
        "finetuning_type": _ADAPTER,
        "lora_target": Ours("lora.targets", "all-linear, a pattern, or a list"),
        "freeze_trainable_layers": Ours("top_layers"),
        "quantization_bit": _QUANTISED,
        "dataset": _FILES,
        "dataset_dir": _FILES,
        "eval_dataset": Ours("data.eval"),
        "val_size": Ours("data.eval_fraction"),
        "template": Ours("data.template", "auto takes the model's own"),
        "cutoff_len": Ours("data.max_tokens"),
        "max_samples": _absent("give a shorter file, or optim.max_steps"),
        "overwrite_cache": _absent("caches are found by content, so a stale one is never read"),
        "packing": Ours("packing", "auto, trees or padded"),
        "neat_packing": _ALWAYS,
        "train_on_prompt": _absent("responses alone carry loss"),
        "flash_attn": _ATTENTION,
        "pref_beta": Ours("loss.beta"),
        "pref_loss": _LOSS_NAME,
        "pref_ftx": Ours("loss.sft_weight"),
        "pref_bco_weight": Ours("loss.mix", "{dpo: 1.0, bco_pair: 0.5}"),
        "dpo_label_smoothing": Ours("loss.label_smoothing"),
        "ld_alpha": Ours("loss.ld_alpha"),
        "simpo_gamma": Ours("loss.gamma"),
        "kto_chosen_weight": Ours("loss.desirable_weight"),
        "kto_rejected_weight": Ours("loss.undesirable_weight"),
        "ref_model": Ours("reference"),
        "reward_model": Ours("rewards", "[{name: model, path: FOLDER}]"),
        "ppo_epochs": Ours("online.epochs"),
        "ppo_target": Ours("loss.kl_target"),
        "ppo_whiten_rewards": Ours("loss.whiten_rewards"),
        "max_new_tokens": Ours("sampling.max_new_tokens"),
        "temperature": Ours("sampling.temperature"),
        "top_p": Ours("sampling.top_p"),
        "top_k": Ours("sampling.top_k"),
    },
    "ms-swift": {
        **_TRAINER,
        **_PREFERENCE,
        **_LORA,
        "model": Ours("policy"),
        "model_type": _absent("it is read from the model's config"),
        "adapters": Ours("policy", "an adapter's folder is a model here"),
        "rlhf_type": Ours("method"),
        "train_type": _ADAPTER,
        "tuner_type": _ADAPTER,
        "quant_bits": _QUANTISED,
        "dataset": _FILES,
        "val_dataset": Ours("data.eval"),
        "split_dataset_ratio": Ours("data.eval_fraction"),
        "template": Ours("data.template", "auto takes the model's own"),
        "max_length": Ours("data.max_tokens"),
        "truncation_strategy": Ours("data.truncation", "drop, prompt-left or response-right"),
        "packing": Ours("packing", "auto, trees or padded"),
        "loss_scale": _absent("responses alone carry loss"),
        "attn_impl": _ATTENTION,
        "dataset_num_proc": _absent("rows are read before training"),
        "stop_words": Ours("sampling.stop"),
    },
    "axolotl": {
        **_LORA,
        "base_model": Ours("policy"),
        "model_type": _absent("it is read from the model's config"),
        "tokenizer_type": _absent("it is read from the model's folder"),
        "rl": Ours("method"),
        "adapter": _ADAPTER,
        "lora_model_dir": Ours("policy", "an adapter's folder is a model here"),
        "lora_target_linear": Ours("lora.targets", "all-linear"),
        "peft_use_dora": Ours("lora.dora"),
        "peft_use_rslora": Ours("lora.rslora"),
        "load_in_4bit": _QUANTISED,
        "load_in_8bit": _QUANTISED,
        "datasets": _FILES,
        "test_datasets": Ours("data.eval"),
        "val_set_size": Ours("data.eval_fraction"),
        "dataset_prepared_path": _absent("rows are read before training"),
        "chat_template": Ours("data.template", "auto, chat, alpaca or plain"),
        "sequence_len": Ours("data.max_tokens"),
        "excess_length_strategy": Ours("data.truncation", "drop, prompt-left or response-right"),
        "sample_packing": Ours("packing", "auto, trees or padded"),
        "pad_to_sequence_len": _ALWAYS,
        "train_on_inputs": _absent("responses alone carry loss"),
        "output_dir": Ours("output"),
        "micro_batch_size": _STEP,
        "gradient_accumulation_steps": _TRAINER["gradient_accumulation_steps"],
        "num_epochs": Ours("optim.epochs"),
        "max_steps": Ours("optim.max_steps"),
        "optimizer": _absent("the optimiser is AdamW"),
        "lr_scheduler": Ours("optim.schedule", "cosine, linear or constant"),
        **{key: _TRAINER[key] for key in _SHARED},
        "tf32": _absent("float32 products are float32"),
        "gradient_checkpointing": Ours("activation_checkpointing"),
        "flash_attention": _ATTENTION,
        "attn_implementation": _ATTENTION,
        "save_steps": Ours("checkpoint.every"),
        "saves_per_epoch": Ours("checkpoint.every", "a number of steps"),
        "save_total_limit": Ours("checkpoint.keep"),
        "eval_steps": Ours("evaluate.every"),
        "evals_per_epoch": Ours("evaluate.every", "a number of steps"),
        "early_stopping_patience": Ours("evaluate.patience"),
        "logging_steps": _METRICS,
        "wandb_project": Ours("track.project", "with track.to: [wandb]"),
        "deepspeed": _ENGINE,
        "trust_remote_code": _NO_CODE,
        "rl_beta": Ours("loss.beta"),
        "dpo_beta": Ours("loss.beta"),
        "dpo_label_smoothing": Ours("loss.label_smoothing"),
        "rpo_alpha": Ours("loss.sft_weight"),
        "simpo_gamma": Ours("loss.gamma"),
        "kto_desirable_weight": Ours("loss.desirable_weight"),
        "kto_undesirable_weight": Ours("loss.undesirable_weight"),
    },
}

METHODS: Mapping[str, str] = {  # names of methods elsewhere -> the key and value of a recipe here
    "rm": "method: reward",
    "reward_model": "method: reward",
    "reward_modeling": "method: reward",
    "pt": "method: sft, on rows of a response alone",
    "pretrain": "method: sft, on rows of a response alone",
    "finetune": "method: sft",
    "rlhf": "method: dpo, ppo or another of the known ones",
    "ipo": "method: dpo with loss.name: ipo",
    "apo": "method: dpo with loss.name: apo_zero",
    "gspo": "method: grpo with loss.name: gspo",
    "cispo": "method: grpo with loss.name: cispo",
    "sapo": "method: grpo with loss.name: sapo",
    "dapo": "method: grpo with loss.high: 0.28 and loss.uniform: drop",
    "dr_grpo": "method: grpo with loss.credit: group_centred and loss.aggregation: fixed_length",
    "reinforce++": "method: reinforce_pp",
    "reinforce_plus_plus": "method: reinforce_pp",
    "reinforce_plus_plus_baseline": "method: reinforce_pp_baseline",
}

_PAIRED = {
    "sigmoid": "loss.name: dpo",
    "kto_pair": "loss.name: bco_pair, or method: kto with data.unpair: true",
    "sft": "loss.sft_weight, beside another loss",
}
_WITHOUT_REFERENCE = {
    "sigmoid": "loss.name: cpo",
    "hinge": "loss.name: cpo_hinge",
    "ipo": "loss.name: cpo_ipo",
}
_POLICY_GRADIENT = {
    "grpo": "loss.aggregation: response_mean",
    "bnpo": "loss.aggregation: token_mean",
    "dapo": "loss.aggregation: token_mean",
    "dr_grpo": "loss.aggregation: fixed_length",
    "luspo": "loss.aggregation: response_sum",
    "ppo": "loss.name: clipped_surrogate",
}
LOSSES: Mapping[
    str, Mapping[str, str]
] = {  # by our method: names of losses elsewhere -> the key and value of a recipe here
    "dpo": _PAIRED,
    "cpo": _WITHOUT_REFERENCE,
    "simpo": _WITHOUT_REFERENCE,
    "orpo": _WITHOUT_REFERENCE,
    "sft": {"cross_entropy": "loss.name: nll", "sft": "loss.name: nll"},
    "reward": {"sigmoid": "loss.name: bradley_terry", "pairwise": "loss.name: bradley_terry"},
    "ppo": _POLICY_GRADIENT,
    "grpo": _POLICY_GRADIENT,
    "rloo": _POLICY_GRADIENT,
}


def ours_of(key: str) -> Ours | None:
    """Find truing's key for a key of another toolkit; None for a key that no toolkit has."""
    return next((table[key] for table in PEERS.values() if key in table), None)


def told_key(key: str) -> str:
    """Say `it is optim.learning_rate here` of an unknown key; empty where no toolkit has that key."""
    found = ours_of(key)
    return found.told if found else ""


def told_method(name: str) -> str:
    """Say `it is method: reward here`; empty for a name that no toolkit gives to a method."""
    return f"it is {METHODS[name]} here" if name in METHODS else ""


def told_loss(method: str, name: str) -> str:
    """Say `it is loss.name: dpo here`; empty for a name that no toolkit gives to a loss of this method."""
    found = LOSSES.get(method, {}).get(name)
    return f"it is {found} here" if found else ""

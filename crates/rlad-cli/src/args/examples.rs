//! Examples below the help of each command.

pub(super) const OVERVIEW: &str = "\
EXAMPLES:
  rlad demo
  rlad label cpu.csv
  rlad detect cpu.rlad new.csv --out scores.csv --report report.html

EXIT STATUS:
  0 done, 1 negative answer (`detect --check` found an anomaly), 2 error";

pub(super) const TRAIN_EXAMPLES: &str = "\
EXAMPLES:
  Answer 100 questions about your data at the terminal:
    rlad train cpu.csv --questions 100
  Stop at any time with `q`, and go on later:
    rlad train cpu.csv --resume
  Let the labels of the first 80 % answer, and measure on the rest after each round:
    rlad train kpi.parquet --session kpi --oracle truth --part ..0.8 --check-part 0.8..";

pub(super) const DETECT_EXAMPLES: &str = "\
EXAMPLES:
  Score new data with the model of a session:
    rlad detect cpu new.csv --out scores.csv
  Write a report for the browser too:
    rlad detect cpu new.csv --out scores.parquet --events events.csv --report report.html
  Alarm twice a week at most, only where the value is higher than expected:
    rlad detect cpu new.csv --out scores.csv --alarms-per-week 2 --direction above
  Raise no alarm during holidays and maintenance:
    rlad detect cpu new.csv --out scores.csv --calendar calendar.csv
  Score by SPOT, calibrated on the first half, without a model:
    rlad detect --method spot --set q=1e-5 --fit-part ..0.5 cpu.csv --out scores.csv
  Fail a pipeline if there is an anomaly:
    rlad detect cpu/model.safetensors new.csv --out scores.csv --check";

pub(super) const EVALUATE_EXAMPLES: &str = "\
EXAMPLES:
  Measure on the last fifth of each series:
    rlad evaluate scores.parquet --truth kpi.parquet --part 0.8..
  Allow no delay, and print JSON:
    rlad evaluate scores.csv --truth cpu.csv --delay 0 --json";

pub(super) const SHOW_EXAMPLES: &str = "\
EXAMPLES:
  rlad show cpu
  rlad show cpu/model.safetensors --json";

pub(super) const LABEL_EXAMPLES: &str = "\
EXAMPLES:
  Begin a session, and answer its questions in your browser:
    rlad label cpu.csv --questions 100
  Go on with it, whatever stopped it:
    rlad label cpu.rlad
  Over SSH, at the terminal:
    rlad label cpu.csv --terminal
  For colleagues in the same network, who need the secret in the address that is printed:
    rlad label cpu.rlad --bind 0.0.0.0:8080
  Paint labels without being asked:
    rlad label labels cpu.csv --browse";

pub(super) const LABELS_EXAMPLES: &str = "\
EXAMPLES:
  rlad labels export cpu --format trainset --out cpu-labeled.csv
  rlad labels import cpu combined_windows.json --format nab";

pub(super) const BENCH_EXAMPLES: &str = "\
EXAMPLES:
  On the data in the program, in some three minutes:
    rlad bench quick --out quick
  On your copy of the KPI data; stop it at any time, the same command goes on:
    rlad bench kpi --data kpi.parquet --out kpi
  One row only:
    rlad bench kpi --data kpi.parquet --out kpi --only SPOT";

pub(super) const IMPORT_EXAMPLES: &str = "\
EXAMPLES:
  rlad import nab NAB/ --out nab.parquet
  rlad import kpi phase2_train.csv --out kpi.parquet";

pub(super) const FEATURES_PART: &str = "\
Part of each series that is trained on, as fractions: `min-max` takes its range from there. Every point is written
[default: the whole, or that of the config]";

pub(super) const FEATURES_EXAMPLES: &str = "\
EXAMPLES:
  The features that a detector trained on the first 80 % of each series sees:
    rlad features kpi.parquet --out features.parquet --part ..0.8";

pub(super) const DEMO_EXAMPLES: &str = "\
EXAMPLES:
  rlad demo
  rlad demo --out demo --questions 300";

pub(super) const COMPLETIONS_EXAMPLES: &str = "\
EXAMPLES:
  rlad completions bash > ~/.local/share/bash-completion/completions/rlad
  rlad completions zsh > ~/.zfunc/_rlad";

pub(super) const MAN_EXAMPLES: &str = "\
EXAMPLES:
  rlad man --out ~/.local/share/man/man1";

pub(super) const SERVE_EXAMPLES: &str = "\
EXAMPLES:
  Ask a Prometheus for two weeks of a metric, score it from then on, and open the page:
    rlad serve --datasource http://localhost:9090 --query 'rate(http_requests_total[5m])'
  Beside a Prometheus for good, as the file says:
    rlad serve --config serve.toml
  Check the file first:
    rlad serve --config serve.toml --dry-run
  Go back to an earlier detector:
    rlad serve --config serve.toml --model 3f1c22aa
  From vmanomaly:
    rlad serve --from-vmanomaly vmanomaly.yml > serve.toml";

pub(super) const HEALTH_EXAMPLES: &str = "\
EXAMPLES:
  rlad health
  rlad health http://rlad:8490

EXIT STATUS:
  0 ready, 1 not ready yet, 2 no answer";

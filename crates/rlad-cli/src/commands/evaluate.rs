//! `rlad evaluate`: measures scores against the truth.

use std::process::ExitCode;

use rlad::Error;
use rlad::metrics::{EvaluateOptions, NabOptions, join};

use crate::args::EvaluateArgs;
use crate::evaluation::table;
use crate::input::{open_saved, read};
use crate::output::{print, print_json, print_notes};

/// Runs the command.
pub(crate) fn run(args: &EvaluateArgs) -> anyhow::Result<ExitCode> {
    let scores = rlad::data::read_scores(&args.scores)?;
    let truth = read(&args.truth, &args.form)?;
    let joined = join(&scores, &truth, args.form.part.unwrap_or_default()).map_err(|error| match error {
        Error::NotFound { what, place } => {
            let place = place.replacen("the scores", &format!("`{}`", args.scores.display()), 1);
            Error::NotFound { what, place }
        }
        error => error,
    })?;
    print_notes(&joined.notes());
    let options = EvaluateOptions {
        delay: args.delay.unwrap_or_else(|| joined.usual_delay()),
        vus_buffer: Some(args.vus_buffer.into()),
        nab: Some(NabOptions { probation: args.nab_probation }),
    };
    let evaluation = rlad::evaluate(&joined.scored(), &options);
    let model = args.model.as_deref().map(open_saved).transpose()?;
    if let Some(model) =
        model.as_ref().filter(|model| scores.iter().any(|scores| !model.hash().starts_with(&scores.model)))
    {
        print_notes(&[format!("the scores are not those of model {}", &model.hash()[..16])]);
    }
    if args.json {
        let mut json = serde_json::to_value(evaluation)?;
        if let Some(model) = &model {
            json["questions"] = model.n_questions().into();
            json["labelled_points"] = model.n_labelled_points().into();
        }
        print_json(&json)?;
    } else {
        print(&table(&evaluation))?;
    }
    Ok(ExitCode::SUCCESS)
}

//! The flags of the service.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueHint};

/// `rlad serve`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ServeArgs {
    /// Configuration, `serve.toml`; read anew at SIGHUP and `POST /-/reload`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Prometheus or VictoriaMetrics to be asked, without `/api/v1/…`
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    pub(crate) datasource: Option<String>,
    /// Expression whose series are watched; repeat it for several
    #[arg(long = "query", value_name = "EXPR", requires = "datasource")]
    pub(crate) queries: Vec<String>,
    /// Folder of the state, over what the configuration says
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) state: Option<PathBuf>,
    /// Address and port to listen at, over what the configuration says
    #[arg(long, value_name = "ADDR")]
    pub(crate) bind: Option<SocketAddr>,
    /// Detector to go on with: the hash of one in the state, its beginning, a file or the folder of a session. It stays in use
    /// until the program is started without this
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Check the configuration, tell it in full, and end
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print the configuration that does what one of vmanomaly does, and end
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["config", "datasource", "model"])]
    pub(crate) from_vmanomaly: Option<PathBuf>,
    /// Write the alert rules and the Grafana dashboards into a folder, and end
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with_all = ["config", "datasource", "model"])]
    pub(crate) write_assets: Option<PathBuf>,
    /// Do not open the page in the browser
    #[arg(long)]
    pub(crate) no_open: bool,
}

/// `rlad health`.
#[derive(Args, Clone, Debug)]
pub(crate) struct HealthArgs {
    /// Address of the service
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:8490")]
    pub(crate) url: String,
}

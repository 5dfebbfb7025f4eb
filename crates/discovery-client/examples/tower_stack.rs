//! A stack of tower layers around the client: a time limit, and retries of what can be sent again safely.
//!
//! `cargo run -p discovery-client --example tower_stack -- matrix.org`

use std::error::Error;
use std::future::{Ready, ready};
use std::time::Duration;

use discovery_client::{ClientError, FederationClient, ResponseBody};
use http::{Request, Response};
use tower::retry::Policy;
use tower::{Service, ServiceBuilder, ServiceExt};

/// Repeats a request once if nothing of it was written and the failure is temporary.
#[derive(Clone)]
struct Once {
    is_left: bool,
}

impl Policy<Request<String>, Response<ResponseBody>, ClientError> for Once {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<String>,
        result: &mut Result<Response<ResponseBody>, ClientError>,
    ) -> Option<Ready<()>> {
        let again = self.is_left && result.as_ref().is_err_and(ClientError::is_retryable);
        self.is_left = false;
        again.then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<String>) -> Option<Request<String>> {
        Some(request.clone())
    }
}

pub(crate) fn stack(
    client: FederationClient,
) -> impl Service<Request<String>, Response = Response<ResponseBody>, Error = Box<dyn Error + Send + Sync>>
{
    ServiceBuilder::new()
        .timeout(Duration::from_secs(30))
        .retry(Once { is_left: true })
        .service(client)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let name = std::env::args().nth(1).ok_or("usage: tower_stack SERVER_NAME")?;
    let uri = format!("matrix-federation://{name}/_matrix/federation/v1/version");
    let request = Request::get(uri).body(String::new())?;
    let response = stack(FederationClient::new()?).oneshot(request).await?;
    println!("{}", response.status());
    Ok(())
}

//! Networks, image, container: what a task needs before it can start.

use gam_core::agent::{Container, Health, Phase, Seen};
use gam_core::container::{EngineEndpoint, Host, Places, create_body, endpoint_options, familiar_image};

use super::{Trouble, Worker};
use crate::engine::EngineError;
use crate::network::{NetworkError, backing};

impl Worker {
    /// Makes the task's container. What goes wrong is the task's rejection, unless dockerd cannot be reached.
    pub(super) async fn prepare(&mut self, host: &Host) -> Result<(), Trouble> {
        let Some(endpoints) = self.connect().await? else { return Ok(()) };
        if let Err(error) = self.context.files.reserve(&self.task) {
            self.fail(&error.to_string());
            return Ok(());
        }
        let places = Places { socket: self.context.socket.as_deref(), files: self.context.files.folder() };
        let body = match create_body(&self.task, host, &endpoints, places) {
            Ok(body) => body,
            Err(error) => {
                self.fail(&error.to_string());
                return Ok(());
            }
        };
        let image = familiar_image(self.task.spec().container_spec.as_ref().map_or("", |spec| &spec.image));
        let credential = self.task.origin.credential();
        let pulled = tokio::select! {
            pulled = self.context.images.refresh(&image, credential) => pulled,
            () = self.inbox.unwanted() => return Ok(()),
        };
        let name = self.task.name();
        let created = {
            // The semaphore is never closed.
            let _permit = self.context.calls.acquire().await.ok();
            self.context.engine.create_container(&name, &body).await
        };
        match created {
            Ok(id) => self.see(Container {
                id,
                phase: Phase::Created,
                health: Health::None,
                pid: 0,
                exit_code: 0,
                error: String::new(),
                ports: Vec::new(),
                macs: Default::default(),
                endpoints: Default::default(),
            }),
            Err(EngineError::Refused { status, message }) => {
                // The name is taken: by an earlier attempt of this task, which is adopted, or by a stranger.
                if status == 409 {
                    self.look().await?;
                }
                if !matches!(self.sight.container, Seen::Present(_)) {
                    self.fail(&with_reason(message, pulled));
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Makes sure that dockerd has the task's networks; `None` if that failed for good.
    async fn connect(&mut self) -> Result<Option<Vec<EngineEndpoint>>, Trouble> {
        let mut endpoints = Vec::new();
        for attachment in self.task.networks.clone() {
            let Some(id) = attachment.network else { continue };
            let Some(network) = self.context.network(id) else {
                self.fail(&format!("network {id} not found"));
                return Ok(None);
            };
            match self.context.networks.ensure(&network).await {
                Ok(name) => {
                    let resolver = backing::resolver(&network);
                    endpoints.push(EngineEndpoint {
                        resolver,
                        options: endpoint_options(&self.task, id),
                        leads: network.spec.ingress,
                        ..EngineEndpoint::new(name, &attachment)
                    });
                }
                Err(NetworkError::Engine(error @ EngineError::Unreachable(_))) => return Err(error),
                Err(error) => {
                    self.fail(&error.to_string());
                    return Ok(None);
                }
            }
        }
        Ok(Some(endpoints))
    }
}

/// An engine's refusal of a container whose image is not there, and why it could not be had, which Docker tells its log alone.
fn with_reason(refusal: String, pulled: Result<(), String>) -> String {
    match pulled {
        Err(why) if refusal.starts_with("No such image") => format!("{refusal}: {why}"),
        _ => refusal,
    }
}

#[cfg(test)]
mod tests {
    use super::with_reason;

    #[test]
    fn a_missing_image_says_why_it_could_not_be_had() {
        let denied = || Err("pull access denied for one".to_owned());
        let told = |refusal: &str, pulled| with_reason(refusal.to_owned(), pulled);
        assert_eq!(told("No such image: one:1", denied()), "No such image: one:1: pull access denied for one");
        assert_eq!(told("No such image: one:1", Ok(())), "No such image: one:1");
        assert_eq!(told("no such network", denied()), "no such network", "the image that is here did");
    }
}

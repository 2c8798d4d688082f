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
        tokio::select! {
            () = self.context.images.refresh(&image, credential) => {}
            () = self.inbox.unwanted() => return Ok(()),
        }
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
                    self.fail(&message);
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

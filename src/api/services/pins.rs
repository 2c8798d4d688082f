//! Images pinned by digest for clients before API 1.30, which do not ask registries themselves
//! (`moby: daemon/cluster/services.go imageWithDigestString`).

use gam_core::container::familiar_image;
use gam_core::model::{Credential, ServiceSpec};

use crate::engine::Engine;

/// Adds to the image of a spec the digest that its registry knows now. One that cannot be had is no error: then the warning
/// of the answer is returned. A spec that has no image is for others to refuse.
pub(super) async fn pin(
    engine: &Engine,
    spec: &mut ServiceSpec,
    credential: Option<&Credential>,
) -> Option<Vec<String>> {
    let container = spec.task_template.container_spec.as_mut()?;
    if is_pinned(&container.image) {
        return None;
    }
    let tagged = familiar_image(&container.image);
    match engine.image_digest(&tagged, credential).await {
        Ok(digest) if !digest.is_empty() => {
            container.image = format!("{tagged}@{digest}");
            None
        }
        Ok(_) => Some(vec![warning(&container.image)]),
        Err(error) => {
            tracing::warn!(image = container.image, %error, "unable to pin an image to its digest");
            Some(vec![warning(&container.image)])
        }
    }
}

/// Whether no registry need be asked: the name has a digest, or is an image's own id.
fn is_pinned(image: &str) -> bool {
    let is_hex = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    image.contains('@') || is_hex(image.strip_prefix("sha256:").unwrap_or(image))
}

/// dockerd's words (`digestWarning`).
fn warning(image: &str) -> String {
    format!(
        "image {image} could not be accessed on a registry to record\nits digest. Each node will access {image} \
         independently,\npossibly leading to different nodes running different\nversions of the image.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(image: &str) -> ServiceSpec {
        let spec = serde_json::json!({ "TaskTemplate": { "ContainerSpec": { "Image": image } } });
        serde_json::from_value(spec).unwrap()
    }

    #[tokio::test]
    async fn what_has_a_digest_is_not_asked_for_and_what_cannot_be_had_is_told() {
        let engine = Engine::new("/nonexistent/docker.sock");
        let id = "a".repeat(64);
        for image in [format!("busybox@sha256:{id}"), format!("busybox:1@sha256:{id}"), format!("sha256:{id}"), id] {
            let mut pinned = spec(&image);
            assert_eq!(pin(&engine, &mut pinned, None).await, None);
            assert_eq!(pinned, spec(&image));
        }
        let mut unpinned = spec("busybox");
        let told = pin(&engine, &mut unpinned, None).await.unwrap();
        assert!(told[0].starts_with("image busybox could not be accessed on a registry to record\nits digest."));
        assert_eq!(unpinned, spec("busybox"));
        assert_eq!(pin(&engine, &mut ServiceSpec::default(), None).await, None);
    }
}

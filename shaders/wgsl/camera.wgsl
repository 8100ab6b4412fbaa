// From a pixel to a ray; see src/cpu/camera.rs.

struct CameraRay {
    origin: vec3<f32>,
    direction: vec3<f32>,
}

fn camera_ray(x: u32, y: u32, jitter: vec2<f32>) -> CameraRay {
    let across = 2.0 * ((f32(x) + jitter.x) * frame.inverse_width) - 1.0;
    let up = 1.0 - 2.0 * ((f32(y) + jitter.y) * frame.inverse_height);
    let parallel = frame.parallel == 1u;
    let middle = select(frame.camera_forward, frame.camera_origin, parallel);
    let place = (middle + frame.camera_right * across) + frame.camera_up * up;
    if parallel {
        return CameraRay(flush3(place), frame.camera_forward);
    }
    return CameraRay(frame.camera_origin, unit3(place));
}

// From a pixel to a ray; see src/cpu/camera.rs.

fn camera_direction(x: u32, y: u32, jitter: vec2<f32>) -> vec3<f32> {
    let across = 2.0 * ((f32(x) + jitter.x) * frame.inverse_width) - 1.0;
    let up = 1.0 - 2.0 * ((f32(y) + jitter.y) * frame.inverse_height);
    return unit3(
        (frame.camera_forward + frame.camera_right * across) + frame.camera_up * up,
    );
}

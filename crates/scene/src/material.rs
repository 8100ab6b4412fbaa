//! Materials and their textures.

use crate::accessor::Source;
use crate::coordinates::Coordinates;
use crate::document::{self, AlphaMode, TextureInfo, lookup};
use crate::error::{Findings, Note};
use crate::limits::Limits;
use crate::math::{flush, luminance, srgb_to_linear};
use crate::picture::{self, Picture, PictureLimits};
use std::collections::BTreeMap;
use tessera_shaders::layout::{Material, NONE, Texture};

/// Materials in the order of the file, those that nothing shows left out.
pub(crate) struct Materials {
    pub(crate) materials: Vec<Material>,
    /// For each of them the texture coordinates that it asks for; the first are the vertices' own.
    pub(crate) coordinates: Vec<Vec<Coordinates>>,
    /// For each of them the luminance that its triangles emit, averaged over its texture.
    pub(crate) emitted: Vec<f64>,
    pub(crate) texels: Vec<u32>,
}

/// Reads materials as primitives ask for them.
pub(crate) struct Reader<'a> {
    source: Source<'a>,
    limits: &'a Limits,
    texels: Vec<u32>,
    /// Pictures by their index in the file.
    by_image: BTreeMap<u32, Option<Texture>>,
    /// Pictures by the hash of their bytes: files often carry one several times.
    by_content: BTreeMap<[u8; 32], Texture>,
}

impl<'a> Reader<'a> {
    /// Reads the materials of `used`; `None` is the default one, and the last.
    pub(crate) fn read(
        source: Source<'a>,
        used: &[Option<u32>],
        limits: &'a Limits,
        findings: &mut Findings,
    ) -> Materials {
        let mut reader = Self {
            source,
            limits,
            texels: Vec::new(),
            by_image: BTreeMap::new(),
            by_content: BTreeMap::new(),
        };
        let default = document::Material::default();
        let mut materials = Vec::with_capacity(used.len());
        let mut coordinates = Vec::with_capacity(used.len());
        for index in used {
            let (material, place) = match index {
                // Indices were checked when they were collected.
                Some(index) => match source.document.materials.get(*index as usize) {
                    Some(material) => (material, format!("materials[{index}]")),
                    None => continue,
                },
                None => (&default, "the default material".to_owned()),
            };
            let mut asked = Vec::new();
            materials.push(reader.material(material, &place, &mut asked, findings));
            coordinates.push(asked);
        }
        let mut means = BTreeMap::new();
        let emitted =
            materials.iter().map(|material| reader.emitted(material, &mut means)).collect();
        Materials { materials, coordinates, emitted, texels: reader.texels }
    }

    fn material(
        &mut self,
        material: &document::Material,
        place: &str,
        asked: &mut Vec<Coordinates>,
        findings: &mut Findings,
    ) -> Material {
        let pbr = &material.pbr_metallic_roughness;
        // Of an unlit surface only base colour and alpha count.
        let unlit = material.extensions.unlit.is_some();
        let lit = |info: Option<TextureInfo>| info.filter(|_| !unlit);
        let strength = material.extensions.emissive_strength.emissive_strength;
        let strength = if unlit { 0.0 } else { strength };
        let unit = |value: f64, name: &str, findings: &mut Findings| {
            within(value, 0.0, 1.0, &format!("{place}.{name}"), findings)
        };
        let base = "pbrMetallicRoughness.baseColorFactor";
        let base_color = pbr.base_color_factor.map(|x| unit(x, base, findings));
        let metallic = unit(pbr.metallic_factor, "pbrMetallicRoughness.metallicFactor", findings);
        let roughness =
            unit(pbr.roughness_factor, "pbrMetallicRoughness.roughnessFactor", findings);
        let emission = material.emissive_factor.map(|x| {
            let place = format!("{place}.emissiveFactor");
            within(x * strength, 0.0, MOST_RADIANCE, &place, findings)
        });
        let normal_scale = material.normal_texture.and_then(|t| t.scale).unwrap_or(1.0);
        let scale_place = format!("{place}.normalTexture.scale");
        let normal_scale = within(normal_scale, -1e6, 1e6, &scale_place, findings);
        let cutoff = material.alpha_cutoff.unwrap_or(0.5);
        // A cutoff above 1 is allowed, and hides the surface.
        let cutoff_place = format!("{place}.alphaCutoff");
        let alpha_cutoff = within(cutoff, 0.0, 2.0, &cutoff_place, findings);
        let mut texture = |info: Option<TextureInfo>, name: &str| {
            info.map_or(Texture::NONE, |info| {
                self.texture(info, &format!("{place}.{name}"), asked, findings)
            })
        };
        // First, since tangents follow the coordinates that are the vertices' own.
        let normal_texture = texture(lit(material.normal_texture), "normalTexture");
        Material {
            base_color,
            emission,
            metallic,
            roughness,
            normal_scale,
            alpha_mode: match material.alpha_mode {
                AlphaMode::Opaque => Material::OPAQUE,
                AlphaMode::Mask => Material::MASK,
                AlphaMode::Blend => Material::BLEND,
            },
            alpha_cutoff,
            base_color_texture: texture(
                pbr.base_color_texture,
                "pbrMetallicRoughness.baseColorTexture",
            ),
            metallic_roughness_texture: texture(
                lit(pbr.metallic_roughness_texture),
                "pbrMetallicRoughness.metallicRoughnessTexture",
            ),
            normal_texture,
            emission_texture: texture(lit(material.emissive_texture), "emissiveTexture"),
            unlit: u32::from(unlit),
            padding: [0; 3],
        }
    }

    fn texture(
        &mut self,
        info: TextureInfo,
        place: &str,
        asked: &mut Vec<Coordinates>,
        findings: &mut Findings,
    ) -> Texture {
        let coordinates = Coordinates::new(&info, place, findings);
        let document = self.source.document;
        let place = format!("{place}.index");
        let found = lookup(&document.textures, "textures", info.index, &place);
        let Some(texture) = findings.take(found) else { return Texture::NONE };
        let place = format!("textures[{}]", info.index);
        let webp = texture.extensions.webp.as_ref().and_then(|webp| webp.source);
        let Some(image) = webp.or(texture.source) else {
            findings.warn(place, "has no picture that can be read; ignored");
            return Texture::NONE;
        };
        let flags = match texture.sampler {
            None => Texture::REPEAT,
            Some(index) => {
                let place = format!("{place}.sampler");
                let found = lookup(&document.samplers, "samplers", index, &place);
                let flags = found.and_then(|sampler| sampler_flags(sampler, index));
                findings.take(flags).unwrap_or(Texture::REPEAT)
            }
        };
        let Some(texels) = self.image(image, &format!("{place}.source"), findings) else {
            return Texture::NONE;
        };
        let number = asked.iter().position(|known| *known == coordinates).unwrap_or_else(|| {
            asked.push(coordinates);
            asked.len() - 1
        });
        Texture { flags: flags | (number as u32) << Texture::COORDINATES_SHIFT, ..texels }
    }

    /// Where the texels of an image lie; decoded once.
    fn image(&mut self, index: u32, place: &str, findings: &mut Findings) -> Option<Texture> {
        if let Some(known) = self.by_image.get(&index) {
            return *known;
        }
        let read = self.read_image(index, place);
        let texture = findings.take(read);
        self.by_image.insert(index, texture);
        texture
    }

    fn read_image(&mut self, index: u32, place: &str) -> Result<Texture, Note> {
        let image = lookup(&self.source.document.images, "images", index, place)?;
        let place = format!("images[{index}]");
        let named = self.source.files.images.get(index as usize).and_then(Option::as_ref);
        let file = match (named, image.buffer_view) {
            (Some(Ok(bytes)), _) => bytes,
            (Some(Err(why)), _) => return Err(Note::new(place, why)),
            (None, Some(view)) => self.source.buffer_view(view, &format!("{place}.bufferView"))?,
            (None, None) => return Err(Note::new(place, "names no picture")),
        };
        let hash = *blake3::hash(file).as_bytes();
        if let Some(known) = self.by_content.get(&hash) {
            return Ok(*known);
        }
        let left = self.limits.texels.saturating_sub(self.texels.len());
        let limits = PictureLimits { side: self.limits.picture_side, texels: left };
        let Picture { width, height, texels } =
            picture::decode(file, limits).map_err(|message| Note::new(place, message))?;
        let first_texel = self.texels.len() as u32;
        self.texels.extend(texels);
        let texture = Texture { first_texel, width, height, flags: 0 };
        self.by_content.insert(hash, texture);
        Ok(texture)
    }

    /// The luminance of emission × the mean of its texture. Many materials may share a picture, whose
    /// mean is taken once.
    fn emitted(&self, material: &Material, means: &mut BTreeMap<u32, [f64; 3]>) -> f64 {
        let factor = material.emission.map(f64::from);
        let texture = material.emission_texture;
        if texture.first_texel == NONE || factor == [0.0; 3] {
            return luminance(factor);
        }
        let mean = means.entry(texture.first_texel).or_insert_with(|| self.mean(texture));
        luminance([factor[0] * mean[0], factor[1] * mean[1], factor[2] * mean[2]])
    }

    /// The mean of a picture's light, channel by channel.
    fn mean(&self, texture: Texture) -> [f64; 3] {
        let count = texture.width as usize * texture.height as usize;
        let texels = &self.texels[texture.first_texel as usize..][..count];
        // Counted by code first: sums of integers are exact, and there are few codes.
        let mut codes = [[0u64; 256]; 3];
        for texel in texels {
            for (channel, code) in codes.iter_mut().zip(texel.to_le_bytes()) {
                channel[usize::from(code)] += 1;
            }
        }
        codes.map(|codes| {
            let sum = codes
                .iter()
                .enumerate()
                .fold(0.0, |sum, (code, &count)| sum + srgb_to_linear(code as u8) * count as f64);
            sum / count as f64
        })
    }
}

/// Radiance above this leaves f32's range once it is multiplied with anything.
const MOST_RADIANCE: f64 = 1e18;

/// The value, clamped; a warning if that changed it.
fn within(value: f64, least: f64, most: f64, place: &str, findings: &mut Findings) -> f32 {
    if !(least..=most).contains(&value) {
        findings.warn(place, format!("is {value}; clamped to {least} to {most}"));
    }
    // Written so that a NaN, which an overflowing product with 0 gives, becomes the least value.
    flush(if value >= least { value.min(most) } else { least })
}

fn sampler_flags(sampler: &document::Sampler, index: u32) -> Result<u32, Note> {
    let wrap = |mode: Option<u32>| match mode.unwrap_or(10497) {
        10497 => Ok(Texture::REPEAT),
        33071 => Ok(Texture::CLAMP),
        33648 => Ok(Texture::MIRROR),
        other => Err(Note::new(format!("samplers[{index}]"), format!("has the wrapping {other}"))),
    };
    // How a texture looks from near decides: there are no smaller copies of it.
    let nearest = if sampler.mag_filter == Some(9728) { Texture::NEAREST } else { 0 };
    Ok(wrap(sampler.wrap_s)? | wrap(sampler.wrap_t)? << 2 | nearest)
}

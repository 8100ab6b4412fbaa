import {
  AmbientLight,
  AnimationMixer,
  Box3,
  Color,
  DirectionalLight,
  type Light,
  type Object3D,
  PerspectiveCamera,
  Scene,
  Sphere,
  Timer,
  Vector3,
  WebGLRenderer,
} from 'three';
import { OrbitControls } from 'three/addons/controls/OrbitControls.js';
import type { GLTF } from 'three/addons/loaders/GLTFLoader.js';
import type { Scene as SceneFiles } from '../../lib/openScene';
import { loadScene } from './loadScene';

/** A scene that is shown in a canvas, and what a page may ask of it. */
export interface Stage {
  /** Looks through the camera of a node of the file; `undefined` goes back to orbiting. */
  lookThrough: (node: number | undefined) => Promise<void>;
  setPlaying: (playing: boolean) => void;
  /** Goes round the scene, to the right and up, in radians; not while it is seen through a camera. */
  turn: (right: number, up: number) => void;
  /** Comes so many times closer. */
  approach: (times: number) => void;
  dispose: () => void;
}

/** Shows a scene. Throws where it holds what the preview cannot read. */
export async function stage(canvas: HTMLCanvasElement, files: SceneFiles): Promise<Stage> {
  const gltf = await loadScene(files);
  const renderer = new WebGLRenderer({ canvas, antialias: true });
  const scene = new Scene();
  scene.background = new Color(0x2a2e33);
  scene.add(gltf.scene);
  if (!hasLight(gltf.scene)) scene.add(...workLights());

  const orbiting = framing(gltf.scene);
  const controls = new OrbitControls(orbiting.camera, canvas);
  controls.target.copy(orbiting.centre);
  controls.enableDamping = true;
  const mixer = new AnimationMixer(gltf.scene);
  for (const clip of gltf.animations) mixer.clipAction(clip).play();

  let camera: PerspectiveCamera = orbiting.camera;
  let isPlaying = gltf.animations.length > 0;
  const timer = new Timer();
  const fit = () => fitTo(canvas, renderer, camera);
  const observer = new ResizeObserver(fit);
  observer.observe(canvas);
  renderer.setAnimationLoop((time) => {
    timer.update(time);
    if (isPlaying) mixer.update(timer.getDelta());
    controls.update();
    renderer.render(scene, camera);
  });

  return {
    lookThrough: async (node) => {
      camera = (node === undefined ? undefined : await cameraAt(gltf, node)) ?? orbiting.camera;
      controls.enabled = camera === orbiting.camera;
      fit();
    },
    setPlaying: (playing) => {
      isPlaying = playing;
    },
    turn: (right, up) => {
      if (!controls.enabled) return;
      controls.rotateLeft(-right);
      controls.rotateUp(-up);
    },
    approach: (times) => {
      if (controls.enabled) controls.dollyIn(1 / times);
    },
    dispose: () => {
      renderer.setAnimationLoop(null);
      observer.disconnect();
      controls.dispose();
      timer.dispose();
      renderer.dispose();
    },
  };
}

function fitTo(
  canvas: HTMLCanvasElement,
  renderer: WebGLRenderer,
  camera: PerspectiveCamera,
): void {
  const { clientWidth, clientHeight } = canvas;
  if (clientWidth === 0 || clientHeight === 0) return;
  renderer.setPixelRatio(Math.min(2, window.devicePixelRatio));
  renderer.setSize(clientWidth, clientHeight, false);
  camera.aspect = clientWidth / clientHeight;
  camera.updateProjectionMatrix();
}

async function cameraAt(gltf: GLTF, node: number): Promise<PerspectiveCamera | undefined> {
  const object: Object3D = await gltf.parser.getDependency('node', node);
  let found: PerspectiveCamera | undefined;
  object.traverse((child) => {
    if (child instanceof PerspectiveCamera) found ??= child;
  });
  return found;
}

function hasLight(root: Object3D): boolean {
  let found = false;
  root.traverse((child) => {
    found ||= (child as Light).isLight;
  });
  return found;
}

/** Light to see a scene by that brings none. */
function workLights(): Object3D[] {
  const key = new DirectionalLight(0xffffff, 2);
  key.position.set(1, 2, 1.5);
  return [new AmbientLight(0xffffff, 1.2), key];
}

/** A camera that has the whole scene before it. */
function framing(root: Object3D): { camera: PerspectiveCamera; centre: Vector3 } {
  const ball = new Box3().setFromObject(root).getBoundingSphere(new Sphere());
  const radius = ball.radius > 0 ? ball.radius : 1;
  const centre = ball.radius > 0 ? ball.center : new Vector3();
  const camera = new PerspectiveCamera(45, 1, radius / 100, radius * 20);
  camera.position
    .copy(centre)
    .add(new Vector3(0.6, 0.45, 1).normalize().multiplyScalar(2.4 * radius));
  return { camera, centre };
}

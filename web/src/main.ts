import { mount } from 'svelte';
import App from './App.svelte';
import { router } from './lib/router.svelte';
import { theme } from './lib/theme.svelte';
import './ui/theme.css';
import './ui/base.css';
import './ui/controls.css';

theme.start();
router.listen();

const target = document.getElementById('app');
if (target) mount(App, { target });

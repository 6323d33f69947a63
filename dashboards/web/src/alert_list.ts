// What fires: asked for once by the shell, shown by several pages.
import {signal} from '@preact/signals';
import type {Alert} from './api';

export const alerts = signal<{list: Alert[]; answeredAt: number}>({list: [], answeredAt: 0});

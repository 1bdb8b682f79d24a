using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>Transfers that a user-level monitor makes between a bulk or interrupt endpoint of a device of its service OS and memory of its VM.</summary>
/// <remarks>
/// <code>
/// direct   device --- DMA ---> frames of the guest, by a list of pages of the window       0 copies
/// copied   device --- DMA ---> buffer of the stack -- through the window ---> guest        1 copy
///                              buffer --> buffer of the process --- system call ---> guest 2 copies
/// </code>
/// </remarks>
public sealed class MonitorTransfers
{
    private readonly UserLevelMonitor _monitor;
    private readonly List<(IHostUsbDevice Device, byte Endpoint)> _running = [];

    private int _mapping;

    internal MonitorTransfers(UserLevelMonitor monitor) => _monitor = monitor;

    /// <summary>How many run now.</summary>
    public int Running => _running.Count;

    /// <summary>Moves data without a copy, where the pages can be pinned and mapped for the device; else as <see cref="Copied"/> does.</summary>
    /// <param name="device">The device of the service OS.</param>
    /// <param name="endpoint">bEndpointAddress; bit 7 says that the guest's memory is written.</param>
    /// <param name="memory">Where in the VM.</param>
    /// <param name="isCalledOff">Whether it is wanted no more, asked when all is ready for the device: until then there is nothing to cancel. Null where nobody calls it off.</param>
    /// <returns>How it went; <see cref="HostUsbStatus.Canceled"/> where the monitor has ended, or ends meanwhile, or it was called off.</returns>
    public async ValueTask<HostUsbResult> Direct(IHostUsbDevice device, byte endpoint, ScatterList memory, Func<bool>? isCalledOff = null)
    {
        DmaDirection direction = IsIn(endpoint) ? DmaDirection.FromDevice : DmaDirection.ToDevice;
        _mapping++;
        HostUsbResult? result = null;
        if (_monitor.IsAlive && await memory.TryMap(device.Controller, direction) is { } buffer)
        {
            result = await Run(device, endpoint, buffer, isCalledOff);
            await memory.Unmap(device.Controller, buffer, direction);
        }

        _mapping--;
        return result ?? await Copied(device, endpoint, memory, isCalledOff);
    }

    /// <summary>Moves data by way of a buffer of the stack.</summary>
    /// <inheritdoc cref="Direct"/>
    public async ValueTask<HostUsbResult> Copied(IHostUsbDevice device, byte endpoint, ScatterList memory, Func<bool>? isCalledOff = null)
    {
        if (!_monitor.IsAlive || await device.Controller.TryAllocate(memory.Length) is not { } buffer)
            return new(HostUsbStatus.Canceled, 0);
        byte[] bytes = new byte[memory.Length];
        HostUsbResult result;
        if (IsIn(endpoint))
        {
            result = await Run(device, endpoint, buffer, isCalledOff);
            int moved = Math.Min(result.Bytes, memory.Length);
            buffer.Memory!.Read(0, bytes.AsSpan(0, moved));
            BetweenBuffers(moved);
            if (_monitor.Write(memory.Start, bytes.AsSpan(0, moved)) != DmaStatus.Success)
                result = new(HostUsbStatus.Canceled, 0);
        }
        else if (_monitor.Read(memory.Start, bytes) == DmaStatus.Success)
        {
            BetweenBuffers(bytes.Length);
            buffer.Memory!.Write(0, bytes);
            result = await Run(device, endpoint, buffer, isCalledOff);
        }
        else
        {
            result = new(HostUsbStatus.Canceled, 0);
        }

        await device.Controller.Release(buffer);
        return result;
    }

    /// <summary>Calls off what runs, and waits until nothing does.</summary>
    internal async ValueTask Stop()
    {
        const ulong StepNs = 1_000_000;
        while (_running.Count + _mapping != 0 && !_monitor.IsAbandoned)
        {
            foreach ((IHostUsbDevice device, byte endpoint) in _running)
                device.Cancel(endpoint);
            await _monitor.Machine.Host.Loop.Delay(StepNs);
        }
    }

    private static bool IsIn(byte endpoint) => (endpoint & 0x80) != 0;

    private async ValueTask<HostUsbResult> Run(IHostUsbDevice device, byte endpoint, HostUsbBuffer buffer, Func<bool>? isCalledOff)
    {
        if (!_monitor.IsAlive || isCalledOff?.Invoke() == true)
            return new(HostUsbStatus.Canceled, 0);
        _running.Add((device, endpoint));
        HostUsbResult result = await device.Transfer(endpoint, buffer);
        _ = _running.Remove((device, endpoint));
        return result;
    }

    // With a window the kernel's own copy goes to its place in the guest; without, to a buffer of the process first.
    private void BetweenBuffers(int bytes)
    {
        if (_monitor.Options.Access == MonitorAccess.SystemCall)
            _monitor.Copied(bytes);
    }
}

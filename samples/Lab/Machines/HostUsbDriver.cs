using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>A driver of the host for a USB controller with a disk: it uses the disk until a VM shall have the controller, and again afterwards.</summary>
/// <param name="host">The host, booted.</param>
/// <param name="source">Where the controller is; no firmware uses it with memory of its own.</param>
/// <exception cref="InvalidOperationException">The host has no memory left for it.</exception>
public sealed class HostUsbDriver(Host host, SourceId source) : IHostDriver
{
    private const int DiskPort = 1;

    private readonly HostUsbStack _stack = new(host, source);
    private readonly HostDisk _disk = new();
    private UsbDeviceHandle? _usb;

    /// <summary>Whether it has the disk.</summary>
    public bool IsUp => _disk.IsUp;

    /// <summary>How many blocks the disk has.</summary>
    public ulong BlockCount => _disk.BlockCount;

    /// <inheritdoc cref="HostDisk.Read"/>
    public ValueTask Read(ulong firstBlock, Memory<byte> destination) => _disk.Read(firstBlock, destination);

    /// <inheritdoc/>
    public async ValueTask<bool> Release()
    {
        if (!await _disk.Unbind())
            return false;
        await Stop();
        return true;
    }

    /// <inheritdoc/>
    public async ValueTask<bool> Take()
    {
        _disk.Forget();
        _usb = null;
        try
        {
            await _stack.Start();
            _usb = await UsbDeviceHandle.Enumerate(_stack.Controller, DiskPort);
            await _disk.Bind(_usb);
            return true;
        }
        catch (Exception exception) when (exception is DriverException or DeviceException)
        {
            await Stop();
            return false;
        }
    }

    // From the top down, as far as it came; the disk was let go before.
    private async ValueTask Stop()
    {
        if (_usb is { } usb)
            await usb.Release();
        _usb = null;
        await _stack.Stop();
    }
}

using Dma.Drivers;
using Dma.Machine;
using Dma.UsbDevice;

namespace Dma.Lab;

/// <summary>A VM has a camera, of which it wants the largest picture; where that is refused, it takes the next smaller one, as drivers of cameras do.</summary>
/// <param name="loop">The time.</param>
internal sealed class VideoWork(EventLoop loop) : SharingWork(loop, new IsochronousDevice(_settings), isPeriodic: true)
{
    // Of the first one, two streams are as much as a bus may promise.
    private static readonly IsochronousSetting[] _settings = [new(2400), new(1024), new(512), new(128)];

    private readonly Signal _over = new(loop);
    private IsochronousDriver? _stream;

    /// <inheritdoc/>
    public override (ulong Due, ulong Missed) Slots => _stream is { } stream ? (stream.Due, stream.Missed) : default;

    /// <inheritdoc/>
    public override bool? IsInFull => _stream?.Setting == 1;

    /// <inheritdoc/>
    public override async Task Run(UsbDeviceHandle device)
    {
        _stream = IsochronousDriver.Open(device);
        for (byte setting = 1; setting <= _settings.Length && _stream.Setting == 0; setting++)
        {
            try
            {
                await _stream.Choose(setting);
            }
            catch (DriverException exception) when (exception.Failure is DriverFailure.NoBandwidth or DriverFailure.RequestRefused)
            {
                // The next one is smaller.
            }
        }

        Ready.Raise();
        _ = await _over.Wait();
        await _stream.Halt();
    }

    /// <inheritdoc/>
    public override void Stop() => _over.Raise();
}

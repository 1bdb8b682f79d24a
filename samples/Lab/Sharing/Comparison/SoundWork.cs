using Dma.Drivers;
using Dma.Machine;
using Dma.UsbDevice;

namespace Dma.Lab;

/// <summary>A VM records sound from its microphone.</summary>
internal sealed class SoundWork : SharingWork
{
    private const int Rate = 48_000;
    private const int SoundBytes = 768;
    private const int Hertz = 440;

    private readonly AudioSourceDevice _microphone;
    private readonly List<byte> _recorded = [];
    private AudioStream? _sound;

    /// <summary>A microphone.</summary>
    /// <param name="loop">The time.</param>
    public SoundWork(EventLoop loop)
        : this(loop, new(loop, new SineWave(Hertz)))
    {
    }

    private SoundWork(EventLoop loop, AudioSourceDevice microphone)
        : base(loop, microphone, isPeriodic: true) => _microphone = microphone;

    /// <inheritdoc/>
    public override (ulong Due, ulong Missed) Slots
    {
        get
        {
            ulong missed = (ulong)(_sound is { } sound ? sound.PacketsLost + sound.IntervalsSkipped : 0);
            return ((ulong)(_sound?.PacketsMoved ?? 0) + missed, missed);
        }
    }

    /// <inheritdoc/>
    public override async Task Run(UsbDeviceHandle device)
    {
        _sound = await AudioDriver.Find(device).Start(Rate);
        Ready.Raise();
        byte[] samples = new byte[SoundBytes];
        while (true)
        {
            await _sound.Record(samples);
            _recorded.AddRange(samples);
        }
    }

    /// <inheritdoc/>
    protected override string Check() =>
        _microphone.FramesLost == 0 && Slots.Missed == 0 && !IsRecordedWhole() ? "it recorded other sounds than there were" : "";

    private bool IsRecordedWhole()
    {
        byte[] expected = new byte[_recorded.Count];
        new SineWave(Hertz).Read(expected, 1, Rate);
        return _recorded.SequenceEqual(expected);
    }
}

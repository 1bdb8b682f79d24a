using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>What periodic endpoints need of a bus, and what it has (xHCI, bandwidth management; USB 2.0 and 3.x, bus access).</summary>
/// <remarks>
/// Bandwidth counts in blocks: 1 byte on a bus of full speed, 4 at high speed, 16 at SuperSpeed. An interval of 2^i has
/// its packets spread over that many microframes; those that do not divide evenly are carried to the next longer one, and what is left
/// behind the longest is charged to every microframe. Nothing is kept here: a sum is made of those endpoints that would be there, so
/// that a refusal changes nothing.
/// </remarks>
internal sealed class BandwidthTable
{
    private const int Intervals = 16;

    private readonly int[] _packets = new int[Intervals];
    private readonly int[] _sizes = new int[Intervals];
    private readonly Kind _kind;
    private int _always;
    private int _overhead;
    private int _translators;

    /// <summary>The table of a bus.</summary>
    public BandwidthTable(UsbSpeed speed) => _kind = speed switch
    {
        UsbSpeed.Super => Super,
        UsbSpeed.High => High,
        _ => Full,
    };

    // Limits in blocks, what of them is not for periodic endpoints, and overhead of each packet.
    private static Kind Full => new(BlockBytes: 1, Limit: 1285, Reserved: 128, Overhead: 20);

    private static Kind High => new(BlockBytes: 4, Limit: 1607, Reserved: 322, Overhead: 26);

    private static Kind Super => new(BlockBytes: 16, Limit: 3906, Reserved: 390, Overhead: 8);

    /// <summary>Blocks that periodic endpoints may use.</summary>
    public int Available => _kind.Limit - _kind.Reserved;

    /// <summary>Whether what was added fits.</summary>
    public bool Fits => Used <= Available;

    /// <summary>Per cent that are free.</summary>
    public int FreePercent => Math.Max(0, Available - Used) * 100 / Available;

    /// <summary>Blocks that are used.</summary>
    public int Used
    {
        get
        {
            int used = _always + (_translators * TranslatorBlocks);
            (int carried, int size) = (0, 0);
            for (int interval = 0; interval < Intervals; interval++)
            {
                carried = (2 * carried) + _packets[interval];
                size = Math.Max(size, _sizes[interval]);
                int now = carried >> interval;
                carried &= (1 << interval) - 1;
                used += now * (_overhead + size);
                if (carried == 0)
                    size = 0;
            }

            return used + (carried != 0 ? _overhead + size : 0);
        }
    }

    private static int TranslatorBlocks => 125;

    /// <summary>Starts anew.</summary>
    public void Clear()
    {
        Array.Clear(_packets);
        Array.Clear(_sizes);
        (_always, _overhead, _translators) = (0, _kind.Overhead, 0);
    }

    /// <summary>A transaction translator below takes part.</summary>
    public void AddTranslator() => _translators++;

    /// <summary>An endpoint.</summary>
    /// <param name="context">Its context.</param>
    /// <param name="speed">The speed of its device.</param>
    public void Add(in EndpointContext context, UsbSpeed speed)
    {
        int packets = Math.Max(1, speed switch
        {
            UsbSpeed.Super => (context.BurstMax + 1) * (context.Mult + 1),
            UsbSpeed.High => context.BurstMax + 1,
            _ => 1,
        });
        int blocks = Blocks(context.MaxPacketSize);
        if (_kind == Super)
            AddBurst(context, packets, blocks);
        else
            AddPackets(IntervalOf(context, speed), packets, blocks, speed == UsbSpeed.Low ? 128 : _kind.Overhead);
    }

    private void AddPackets(int interval, int packets, int blocks, int overhead)
    {
        _overhead = Math.Max(_overhead, overhead);
        _packets[interval] += packets;
        _sizes[interval] = Math.Max(_sizes[interval], blocks);
    }

    // A burst has an overhead of its own; what comes more rarely is charged with its share, rounded up.
    private void AddBurst(in EndpointContext context, int packets, int blocks)
    {
        const int BurstOverhead = 32;
        int interval = Math.Min(context.Interval, Intervals - 1);
        int load = interval == 0 ? BurstOverhead + (packets * (_kind.Overhead + blocks)) : packets * (BurstOverhead + blocks);
        _always += (load + (1 << interval) - 1) >> interval;
    }

    // Frames are what full and low speed count in.
    private int IntervalOf(in EndpointContext context, UsbSpeed speed) =>
        Math.Clamp(context.Interval - (_kind == Full && speed <= UsbSpeed.Full ? 3 : 0), 0, Intervals - 1);

    private int Blocks(int bytes) => (bytes + _kind.BlockBytes - 1) / _kind.BlockBytes;

    private readonly record struct Kind(int BlockBytes, int Limit, int Reserved, int Overhead);
}

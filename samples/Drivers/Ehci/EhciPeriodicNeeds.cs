using System.Numerics;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>What endpoints ask of the bus, from their descriptors.</summary>
internal static class EhciPeriodicNeeds
{
    /// <summary>The most bytes of a full-speed packet that a start-split carries.</summary>
    public const int SplitBytes = 188;

    /// <summary>The needs of an interrupt endpoint.</summary>
    public static PeriodicNeed Interrupt(UsbEndpoint endpoint, UsbLocation location)
    {
        EndpointDescriptor descriptor = endpoint.Descriptor;
        int bytes = descriptor.MaxPacketSize;
        if (location.Speed == DeviceSpeed.High)
            return HighSpeed(descriptor.Interval, TransactionTime.HighSpeed(bytes * (1 + descriptor.AdditionalTransactions)));

        // The start carries what goes out, the completion what comes in. The translator has the answer two microframes
        // after the start, or up to two later; a transaction that starts in the fourth is over within its frame.
        uint slow = location.Speed == DeviceSpeed.Low ? TransactionTime.LowSpeed(bytes, endpoint.In) : TransactionTime.FullSpeed(bytes);
        uint withData = TransactionTime.HighSpeed(bytes);
        uint without = TransactionTime.HighSpeed(0);
        return new(
            PowerOfTwo(descriptor.Interval),
            [.. Enumerable.Range(0, 4).Select(start => ((byte)(1 << start), (byte)(0b111 << (start + 2))))],
            endpoint.In ? without : withData,
            endpoint.In ? withData : without,
            location.Translator,
            slow);
    }

    /// <summary>The needs of an isochronous endpoint.</summary>
    /// <exception cref="DriverException">It could only be served across the border of frames, or less often than any queue.</exception>
    public static PeriodicNeed Isochronous(UsbEndpoint endpoint, UsbLocation location)
    {
        EndpointDescriptor descriptor = endpoint.Descriptor;
        int bytes = descriptor.MaxPacketSize;
        int longest = location.Speed == DeviceSpeed.High ? 9 : 6;
        if (descriptor.Interval > longest)
            throw new DriverException(DriverFailure.NoBandwidth, $"An isochronous endpoint with the interval 2^{descriptor.Interval - 1} is served too rarely for this driver.");
        if (location.Speed == DeviceSpeed.High)
            return HighSpeed(descriptor.Interval, TransactionTime.HighSpeedIsochronous(bytes * (1 + descriptor.AdditionalTransactions)));

        int splits = Math.Max(1, (bytes + SplitBytes - 1) / SplitBytes);
        List<(byte Start, byte Complete)> masks = [];
        for (int start = 0; start < 6; start++)
        {
            // Each start-split of an OUT carries a part; nothing comes back. The parts of an IN come one microframe after
            // the other, from the second after the start on, and one may come late.
            if (!endpoint.In && start + splits <= 7)
                masks.Add(((byte)(((1 << splits) - 1) << start), 0));
            else if (endpoint.In && start + splits + 3 <= 8)
                masks.Add(((byte)(1 << start), (byte)(((1 << (splits + 1)) - 1) << (start + 2))));
        }

        if (masks.Count == 0)
            throw new DriverException(DriverFailure.NoBandwidth, $"A full-speed endpoint that sends packets of {bytes} bytes is not served through a hub.");
        return new(
            1 << (descriptor.Interval - 1),
            masks,
            TransactionTime.HighSpeedIsochronous(endpoint.In ? 1 : Math.Min(bytes, SplitBytes)),
            endpoint.In ? TransactionTime.HighSpeedIsochronous(Math.Min(bytes, SplitBytes)) : 0,
            location.Translator,
            TransactionTime.FullSpeedIsochronous(bytes, endpoint.In));
    }

    // Every 2 to the interval less one microframes: several times in each frame, or in one frame of several.
    private static PeriodicNeed HighSpeed(int interval, uint timeNs)
    {
        int microframes = 1 << Math.Min(interval - 1, 15);
        int step = Math.Min(microframes, 8);
        List<(byte Start, byte Complete)> masks = [];
        for (int first = 0; first < step; first++)
        {
            int mask = 0;
            for (int microframe = first; microframe < 8; microframe += step)
                mask |= 1 << microframe;
            masks.Add(((byte)mask, 0));
        }

        return new(Math.Clamp(microframes / 8, 1, EhciBandwidth.Frames), masks, timeNs, 0, null, 0);
    }

    private static int PowerOfTwo(int frames) => 1 << Math.Min(BitOperations.Log2((uint)Math.Max(frames, 1)), 5);
}

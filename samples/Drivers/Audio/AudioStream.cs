using Dma.Hal;

namespace Dma.Drivers;

/// <summary>Samples on their way: a few blocks of packets in turn, all but one of them queued ahead of time.</summary>
/// <remarks>
/// Memory is mapped once, when the stream goes on; from then on no packet costs more than its descriptor.
///
/// <code>
/// [ on the bus ] [ queued ] [ queued ] [ software fills or empties this one ]
/// </code>
/// </remarks>
public sealed class AudioStream
{
    private const int Blocks = 4;
    private const ulong BlockNs = 8_000_000;
    private const ulong SecondNs = 1_000_000_000;

    /// <summary>How many blocks in a row may bring nothing before a microphone counts as gone.</summary>
    private const int EmptyBlocksMax = 64;

    private readonly IUsbHostController _controller;
    private readonly IUsbIsochronousPipe _pipe;
    private readonly int _rate;
    private readonly int _frameBytes;
    private readonly bool _isRecorder;
    private readonly MemoryBuffer _buffer;
    private readonly DmaMapping _mapping;
    private readonly Block[] _blocks;
    private int _current;
    private ulong _packetsLaidOut;
    private int _emptyBlocks;

    private AudioStream(IUsbHostController controller, IUsbIsochronousPipe pipe, int rate, int frameBytes, bool isRecorder, MemoryBuffer buffer, DmaMapping mapping)
    {
        (_controller, _pipe, _rate, _frameBytes, _isRecorder, _buffer, _mapping) = (controller, pipe, rate, frameBytes, isRecorder, buffer, mapping);
        _blocks = new Block[Blocks];
        for (int index = 0; index < Blocks; index++)
            _blocks[index] = new(index * BlockBytes(pipe), PacketsPerBlock(pipe));
    }

    /// <summary>Intervals in which nothing was queued because software came too late.</summary>
    public long IntervalsSkipped { get; private set; }

    /// <summary>Packets that were queued and did not come through.</summary>
    public long PacketsLost { get; private set; }

    /// <summary>Packets that came through.</summary>
    public long PacketsMoved { get; private set; }

    /// <summary>Gets memory for the blocks; a recorder begins to record.</summary>
    internal static async ValueTask<AudioStream> Open(IUsbHostController controller, IUsbIsochronousPipe pipe, int rate, int frameBytes, bool isRecorder)
    {
        MemoryBuffer buffer = controller.Memory.Allocate(Blocks * BlockBytes(pipe));
        DmaMapResult mapped = await controller.Memory.Map(buffer, isRecorder ? DmaDirection.FromDevice : DmaDirection.ToDevice);
        if (!mapped.IsMapped)
        {
            controller.Memory.Free(buffer).Require("free the buffer of a stream");
            throw new DriverException(DriverFailure.DmaRefused, $"The buffer of a stream was not mapped: {mapped.Refusal}.");
        }

        AudioStream stream = new(controller, pipe, rate, frameBytes, isRecorder, buffer, mapped.Mapping);
        foreach (Block block in stream._blocks)
        {
            // A player fills its blocks before it hands them over.
            if (isRecorder)
                stream.Submit(block);
            else
                controller.Memory.SyncForCpu(mapped.Mapping, block.Offset, BlockBytes(pipe)).Require("take the buffer of a stream");
        }

        return stream;
    }

    /// <summary>Plays samples; comes back when all of them are queued.</summary>
    /// <param name="samples">Whole samples of all channels.</param>
    /// <exception cref="DriverException">The controller stopped, or the stream was closed.</exception>
    public async ValueTask Play(ReadOnlyMemory<byte> samples)
    {
        if (_isRecorder || samples.Length % _frameBytes != 0)
            throw new ArgumentException("Whole samples are played, by a player.", nameof(samples));
        while (!samples.IsEmpty)
        {
            Block block = _blocks[_current];
            if (block.Running is not null)
                await Retire(block);
            if (block.Position == 0)
                LayOut(block);
            int step = Math.Min(samples.Length, block.Length - block.Position);
            _buffer.Write(block.Offset + block.Position, samples.Span[..step]);
            block.Position += step;
            samples = samples[step..];
            if (block.Position == block.Length)
                Next(block);
        }
    }

    /// <summary>Waits until everything that was played is through; what is missing of the last block is silence.</summary>
    /// <exception cref="DriverException">The controller stopped, or the stream was closed.</exception>
    public async ValueTask Drain()
    {
        if (!_isRecorder && _blocks[_current] is { Position: not 0 } last)
            await Play(new byte[last.Length - last.Position]);
        for (int index = 0; index < Blocks; index++)
        {
            if (_blocks[(_current + index) % Blocks] is { Running: not null } block)
                await Retire(block);
        }
    }

    /// <summary>Waits for samples that were recorded.</summary>
    /// <param name="samples">Where they go; it is filled to its end.</param>
    /// <exception cref="DriverException">The controller stopped, or the stream was closed.</exception>
    public async ValueTask Record(Memory<byte> samples)
    {
        if (!_isRecorder)
            throw new InvalidOperationException("A player does not record.");
        while (!samples.IsEmpty)
        {
            Block block = _blocks[_current];
            if (block.Running is not null)
                await Retire(block);
            samples = samples[TakeFrom(block, samples.Span)..];
            if (block.Packet == block.Packets.Length)
                Next(block);
        }
    }

    /// <summary>Ends it and gives the memory back.</summary>
    internal async ValueTask Close()
    {
        await _pipe.Close();
        foreach (Block block in _blocks)
        {
            if (block.Running is { } running)
                await End(running);
        }

        (await _controller.Memory.Unmap(_mapping)).Require("unmap the buffer of a stream");
        _controller.Memory.Free(_buffer).Require("free the buffer of a stream");
    }

    // A block that could not be queued has ended with that, and does not keep the memory.
    private static async ValueTask End(Task<IsochronousResult> running)
    {
        try
        {
            _ = await running;
        }
        catch (DriverException)
        {
            // Whoever played or recorded it is told there.
        }
    }

    private static int PacketsPerBlock(IUsbIsochronousPipe pipe)
    {
        int packets = (int)Math.Min(Math.Max(BlockNs / pipe.IntervalNs, 1), (ulong)pipe.PacketsMax);
        return Math.Max(packets - packets % pipe.PacketMultiple, pipe.PacketMultiple);
    }

    private static int BlockBytes(IUsbIsochronousPipe pipe) => PacketsPerBlock(pipe) * pipe.PacketBytesMax;

    // Each packet carries the samples that fall into its interval: of 44.1 kHz nine times 44, then 45.
    private void LayOut(Block block)
    {
        int at = 0;
        for (int index = 0; index < block.Packets.Length; index++, _packetsLaidOut++)
        {
            int bytes = (int)(FramesBefore(_packetsLaidOut + 1) - FramesBefore(_packetsLaidOut)) * _frameBytes;
            block.Packets[index] = new(block.Offset + at, Math.Min(bytes, _pipe.PacketBytesMax));
            at += block.Packets[index].Length;
        }

        block.Length = at;
    }

    private ulong FramesBefore(ulong packet)
    {
        ulong timeNs = packet * _pipe.IntervalNs;
        return timeNs / SecondNs * (ulong)_rate + timeNs % SecondNs * (ulong)_rate / SecondNs;
    }

    private void Next(Block block)
    {
        Submit(block);
        _current = (_current + 1) % Blocks;
    }

    private void Submit(Block block)
    {
        if (_isRecorder)
        {
            for (int index = 0; index < block.Packets.Length; index++)
                block.Packets[index] = new(block.Offset + index * _pipe.PacketBytesMax, _pipe.PacketBytesMax);
        }

        // From here on the block is the device's.
        int bytes = _isRecorder ? block.Packets.Length * _pipe.PacketBytesMax : block.Length;
        if (bytes != 0)
            _controller.Memory.SyncForDevice(_mapping, block.Offset, bytes).Require("hand over samples");
        (block.Position, block.Packet) = (0, 0);
        block.Running = _pipe.Transfer(_mapping, block.Packets).AsTask();
    }

    private async ValueTask Retire(Block block)
    {
        IsochronousResult result = await block.Running!;
        block.Running = null;
        _controller.Memory.SyncForCpu(_mapping, block.Offset, BlockBytes(_pipe)).Require("take samples back");
        if (result.Status != TransferStatus.Completed)
            throw new DriverException(new TransferResult(result.Status, 0).Failure, $"The stream ended as {result.Status}.");
        IntervalsSkipped += result.IntervalsSkipped;
        int moved = block.Packets.Count(packet => packet.Status == TransferStatus.Completed);
        PacketsMoved += moved;
        PacketsLost += block.Packets.Length - moved;
        _emptyBlocks = block.Packets.Any(packet => packet.Moved != 0) ? 0 : _emptyBlocks + 1;
        if (_isRecorder && _emptyBlocks == EmptyBlocksMax)
            throw new DriverException(DriverFailure.NoAnswer, $"Nothing came in {EmptyBlocksMax} blocks of packets.");
    }

    private int TakeFrom(Block block, Span<byte> samples)
    {
        int taken = 0;
        while (block.Packet < block.Packets.Length && taken < samples.Length)
        {
            IsochronousPacket packet = block.Packets[block.Packet];
            int step = Math.Min(samples.Length - taken, packet.Moved - block.Position);
            _buffer.Read(packet.Offset + block.Position, samples.Slice(taken, step));
            taken += step;
            block.Position += step;
            if (block.Position == packet.Moved)
                (block.Packet, block.Position) = (block.Packet + 1, 0);
        }

        return taken;
    }

    /// <summary>Packets that are queued together.</summary>
    private sealed class Block(int offset, int packets)
    {
        public int Offset => offset;

        public IsochronousPacket[] Packets { get; } = new IsochronousPacket[packets];

        /// <summary>Bytes of all packets together, of a player.</summary>
        public int Length { get; set; }

        /// <summary>How far software is: bytes of the block of a player, or of the packet of a recorder.</summary>
        public int Position { get; set; }

        /// <summary>The packet that a recorder is at.</summary>
        public int Packet { get; set; }

        public Task<IsochronousResult>? Running { get; set; }
    }
}

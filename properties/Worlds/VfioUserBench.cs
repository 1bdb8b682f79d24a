using System.Buffers;
using System.Runtime.InteropServices;
using Dma.Iommu;
using Dma.Lab;
using Dma.Machine;
using Microsoft.Win32.SafeHandles;

namespace Dma.Properties;

/// <summary>A served function and one client of it that has no socket.</summary>
internal sealed class VfioUserBench : IDisposable
{
    public const uint Configuration = 7;

    private const uint ReadWrite = 3;

    public VfioUserBench(ProbeFunction? function = null, string profile = "friendly", IDmaMessages? messages = null)
    {
        Function = function ?? DefaultFunction();
        Machine = new(HardwareProfile.Named(profile), _ => Function);
        Interrupts = new(Machine);
        Messages = messages ?? new NoMessages();
        Session = NewSession();
    }

    public VfioUserMachine Machine { get; }

    public ProbeFunction Function { get; }

    public ClientInterrupts Interrupts { get; }

    public IDmaMessages Messages { get; }

    public VfioUserSession Session { get; private set; }

    /// <summary>One BAR of a page, MSI with four vectors, and a pin.</summary>
    public static ProbeFunction DefaultFunction() => new ProbeFunction().WithBar(0, 4096).With(new MsiCapability(vectors: 4)).WithPin(1);

    public static byte[] Bytes<T>(T message, params byte[] rest)
        where T : unmanaged => [.. MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in message)), .. rest];

    public void Dispose()
    {
        Session.Dispose();
        Machine.Dispose();
    }

    /// <summary>The client leaves, and the next one comes.</summary>
    public void Next()
    {
        Session.Dispose();
        Session = NewSession();
    }

    /// <summary>The client leaves, and the next one has not yet said a word.</summary>
    public void NextSilent()
    {
        Session.Dispose();
        Session = new(Machine, Interrupts, Messages);
    }

    /// <summary>What becomes of a command.</summary>
    public ErrorNumber Try(VfioUserCommand command, byte[] payload, out byte[] reply, params SafeFileHandle[] descriptors)
    {
        ArrayBufferWriter<byte> output = new();
        List<SafeFileHandle> left = [.. descriptors];
        ErrorNumber error = Session.Execute(command, payload, left, output);
        left.ForEach(descriptor => descriptor.Dispose());
        reply = output.WrittenSpan.ToArray();
        Machine.Loop.RunFor(0);
        return error;
    }

    /// <summary>A command that must be carried out.</summary>
    /// <returns>What follows the header of the reply.</returns>
    public byte[] Do(VfioUserCommand command, byte[] payload, params SafeFileHandle[] descriptors)
    {
        Assert.Equal(ErrorNumber.None, Try(command, payload, out byte[] reply, descriptors));
        return reply;
    }

    public ErrorNumber Map(ulong address, ulong size, SafeFileHandle? file = null, ulong offset = 0, uint flags = ReadWrite) =>
        Try(VfioUserCommand.DmaMap, Bytes(new DmaMapMessage(32, flags, offset, address, size)), out _, file is null ? [] : [file]);

    public ErrorNumber Unmap(ulong address, ulong size, uint flags = 0) =>
        Try(VfioUserCommand.DmaUnmap, Bytes(new DmaUnmapMessage(24, flags, address, size)), out _);

    public byte[] Read(uint region, ulong offset, int count)
    {
        byte[] reply = Do(VfioUserCommand.RegionRead, Bytes(new RegionAccess(offset, region, (uint)count)));
        Assert.Equal(new(offset, region, (uint)count), MemoryMarshal.Read<RegionAccess>(reply));
        return reply[16..];
    }

    public uint Read32(uint region, ulong offset) => BitConverter.ToUInt32(Read(region, offset, 4));

    public void Write(uint region, ulong offset, params byte[] bytes) =>
        _ = Do(VfioUserCommand.RegionWrite, Bytes(new RegionAccess(offset, region, (uint)bytes.Length), bytes));

    public void Write32(uint region, ulong offset, uint value) => Write(region, offset, BitConverter.GetBytes(value));

    /// <summary>Lets the function start requests.</summary>
    public void EnableBusMaster() => Write(Configuration, PciOffset.Command, 6, 0);

    public ErrorNumber SetInterrupts(InterruptType type, InterruptSetFlags flags, uint start, uint count, byte[]? data = null, params SafeFileHandle[] events) =>
        Try(VfioUserCommand.DeviceSetIrqs, Bytes(new InterruptSet(20 + (uint)(data?.Length ?? 0), flags, (uint)type, start, count), data ?? []), out _, events);

    /// <summary>How often an event was signalled since this was last asked.</summary>
    public static ulong Count(SafeFileHandle counter)
    {
        byte[] count = new byte[8];
        try
        {
            return RandomAccess.Read(counter, count, 0) == 8 ? BitConverter.ToUInt64(count) : 0;
        }
        catch (IOException)
        {
            return 0;
        }
    }

    /// <summary>A second descriptor for the same thing, to give away.</summary>
    public static SafeFileHandle Share(SafeFileHandle known) =>
        File.OpenHandle($"/proc/self/fd/{known.DangerousGetHandle()}", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);

    private VfioUserSession NewSession()
    {
        VfioUserSession session = new(Machine, Interrupts, Messages);
        Assert.Equal(ErrorNumber.None, session.Execute(VfioUserCommand.Version, Bytes(new VersionMessage(0, 1)), [], new ArrayBufferWriter<byte>()));
        return session;
    }

    private sealed class NoMessages : IDmaMessages
    {
        public bool TryRead(ulong address, Span<byte> destination) => false;

        public bool TryWrite(ulong address, ReadOnlySpan<byte> source) => false;
    }
}

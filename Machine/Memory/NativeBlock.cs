using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Dma.Machine;

/// <summary>A block of native memory that costs nothing until a page of it is touched, or a shared mapping of a file.</summary>
internal sealed unsafe partial class NativeBlock : IDisposable
{
    private const int ProtReadWrite = 0x1 | 0x2;
    private const int MapPrivate = 0x02;
    private const int MapAnonymousLinux = 0x20;
    private const int MapNoReserveLinux = 0x4000;
    private const int MapAnonymousMac = 0x1000;
    private const int MapNoReserveMac = 0x40;
    private const int AdviceDontNeedLinux = 4;
    private const int PageBytes = 4096;

    // From here on asking the system for fresh zero pages is cheaper than writing zeros.
    private const ulong GiveBackFromBytes = 64 * 1024;

    private const int SeekData = 3;
    private const int SeekHole = 4;
    private const int NoSuchOffset = 6;

    private readonly FileMapping? _file;
    private byte* _pointer;

    private NativeBlock(byte* pointer, ulong length, FileMapping? file = null)
    {
        _pointer = pointer;
        Length = length;
        _file = file;
    }

    ~NativeBlock() => Release();

    /// <summary>The first byte; null after disposal.</summary>
    public byte* Pointer => _pointer;

    /// <summary>Bytes in the block.</summary>
    public ulong Length { get; }

    /// <summary>A block of zeros. Address space is reserved, memory is not: a terabyte is fine.</summary>
    public static NativeBlock Anonymous(ulong length)
    {
        if (OperatingSystem.IsWindows())
            return new((byte*)NativeMemory.AllocZeroed(checked((nuint)length)), length);
        int flags = OperatingSystem.IsMacOS()
            ? MapPrivate | MapAnonymousMac | MapNoReserveMac
            : MapPrivate | MapAnonymousLinux | MapNoReserveLinux;
        nint address = Map(0, checked((nuint)length), ProtReadWrite, flags, -1, 0);
        if (address == -1)
            throw new IOException($"The system refuses {length} bytes of address space (errno {Marshal.GetLastPInvokeError()}).");
        return new((byte*)address, length);
    }

    /// <summary>A shared mapping of a part of a file: what either side writes, the other one sees.</summary>
    public static NativeBlock Shared(string path, ulong offset, ulong length) =>
        Shared(FileMapping.OfPath(path, checked((long)offset), checked((long)length)), length);

    /// <summary>A shared mapping of a part of an open file, which is closed with the block, but not where there is none.</summary>
    public static NativeBlock Shared(SafeFileHandle file, ulong offset, ulong length, bool isReadOnly) =>
        Shared(new FileMapping(file, checked((long)offset), checked((long)length), isReadOnly), length);

    private static NativeBlock Shared(FileMapping file, ulong length)
    {
        byte* pointer = null;
        file.View.SafeMemoryMappedViewHandle.AcquirePointer(ref pointer);
        return new(pointer + file.View.PointerOffset, length, file);
    }

    /// <summary>Zeros in a range; large ranges are given back to the system, and cost memory again when touched.</summary>
    public void Clear(ulong offset, ulong length)
    {
        bool givenBack = _file is null && OperatingSystem.IsLinux() && length >= GiveBackFromBytes
            && ((offset | length) & (PageBytes - 1)) == 0
            && Advise((nint)(_pointer + offset), (nuint)length, AdviceDontNeedLinux) == 0;
        if (!givenBack)
            NativeMemory.Clear(_pointer + offset, checked((nuint)length));
    }

    /// <summary>The runs of pages that may hold anything but zeros, as offsets and lengths; finding them touches none.</summary>
    /// <param name="offset">Where to begin, a multiple of the page size.</param>
    /// <param name="length">Bytes, whole pages.</param>
    public IEnumerable<(ulong Offset, ulong Length)> Populated(ulong offset, ulong length)
    {
        if (_file is not null && OperatingSystem.IsLinux())
        {
            ulong start = (ulong)_file.Offset;
            return PopulatedFile(_file.Handle, start + offset, start + offset + length).Select(run => (run.Offset - start, run.Length));
        }

        return _file is null && PageMap.IsAvailable
            ? PageMap.Touched((ulong)_pointer + offset, length).Select(run => (run.Offset + offset, run.Length))
            : [(offset, length)];
    }

    /// <summary>Bytes of a range of whole pages that cost memory now; all of them where the system does not say.</summary>
    public ulong ResidentBytes(ulong offset, ulong length)
    {
        if (!PageMap.IsAvailable)
            return length;
        if (_file is null)
            return PageMap.ResidentBytes((ulong)_pointer + offset, length);

        // Pages of a file are in memory for all who map it.
        const ulong StepBytes = 4096 * PageBytes;
        Span<byte> pages = stackalloc byte[(int)(StepBytes / PageBytes)];
        ulong resident = 0;
        for (ulong done = 0; done < length; done += StepBytes)
        {
            ulong step = Math.Min(StepBytes, length - done);
            fixed (byte* vector = pages)
            {
                if (InCore((nint)(_pointer + offset + done), (nuint)step, vector) != 0)
                    return length;
            }

            foreach (byte page in pages[..(int)(step / PageBytes)])
                resident += (page & 1u) * PageBytes;
        }

        return resident;
    }

    public void Dispose()
    {
        Release();
        GC.SuppressFinalize(this);
    }

    private void Release()
    {
        if (_pointer is null)
            return;
        if (_file is not null)
        {
            _file.View.SafeMemoryMappedViewHandle.ReleasePointer();
            _file.Dispose();
        }
        else if (OperatingSystem.IsWindows())
        {
            NativeMemory.Free(_pointer);
        }
        else
        {
            _ = Unmap((nint)_pointer, (nuint)Length);
        }

        _pointer = null;
    }

    // A file without blocks reads as zeros there. Where the file system cannot tell, all of it is data.
    private static IEnumerable<(ulong Offset, ulong Length)> PopulatedFile(SafeFileHandle file, ulong from, ulong to)
    {
        for (ulong at = from; at < to;)
        {
            long data = Seek(file, (long)at, SeekData);
            if (data < 0 && Marshal.GetLastPInvokeError() == NoSuchOffset)
                yield break;
            ulong first = data < 0 ? at : (ulong)data & ~(ulong)(PageBytes - 1);
            long hole = data < 0 ? -1 : Seek(file, data, SeekHole);
            ulong end = hole < 0 ? to : Math.Min(to, ((ulong)hole + PageBytes - 1) & ~(ulong)(PageBytes - 1));
            if (first >= to)
                yield break;
            yield return (first, end - first);
            at = end;
        }
    }

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial long Seek(SafeFileHandle file, long offset, int whence);

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint Map(nint address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Unmap(nint address, nuint length);

    [LibraryImport("libc", EntryPoint = "madvise")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Advise(nint address, nuint length, int advice);

    [LibraryImport("libc", EntryPoint = "mincore")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int InCore(nint address, nuint length, byte* pages);
}
